"""The report page in a real Chromium, with 1,000 trials: what a reader does with it."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from results.report.page import Cell, Failure, Page
from results.report.rendering import render

from .test_rendering import hostile

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium on this machine (apt install chromium)"
    ),
]

NETWORKS, LOSSES, SEEDS = 10, 20, 5
SECONDS, MOST_BYTES = 2.0, 5_000_000


def large(page: Page) -> Page:
    """1,000 trials: the page's own again and again, with other scores, and curves of the greatest length."""

    def cell(number: int, network: int, loss: int) -> Cell:
        one = page.cells[number % 3]
        first = one.trials[0]
        assert first.curves is not None
        lines = {
            measure: {
                part: (*values, *values, *values, *values, *values[:8]) for part, values in parts.items()
            }
            for measure, parts in first.curves.lines.items()
        }
        curves = dataclasses.replace(first.curves, epochs=tuple(range(1, 49)), lines=lines)
        scores = tuple(
            dataclasses.replace(value, mean=value.mean + (7 * number) % 31, text=f"{value.mean:.2f}")
            for value in one.scores
            if value is not None
        )
        trials = tuple(dataclasses.replace(first, seed=seed, curves=curves) for seed in range(SEEDS))
        return dataclasses.replace(one, network=network, loss=loss, scores=scores, trials=trials)

    places = itertools.product(range(NETWORKS), range(LOSSES))
    return dataclasses.replace(
        page,
        done=NETWORKS * LOSSES * SEEDS,
        planned=NETWORKS * LOSSES * SEEDS,
        losses=[dataclasses.replace(page.losses[n % 2], name=f"Loss{n}") for n in range(LOSSES)],
        networks=[dataclasses.replace(page.networks[0], title=f"Net{n}") for n in range(NETWORKS)],
        cells=[cell(number, *place) for number, place in enumerate(places)],
        answers=[page.answers[n % 2] for n in range(NETWORKS)],
        failures=[Failure("diverged", "loss is NaN", "Traceback", ("digits / mlp / mmce / seed 3",), 2)],
    )


@dataclass
class Opened:
    """A page in the browser, with all that it complained of or asked for."""

    page: Any
    file: Path
    heard: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


def opened(browser: Any, file: Path, width: int = 1280, scheme: str = "light") -> Opened:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    found = Opened(context.new_page(), file)
    found.page.on("console", lambda message: found.heard.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.heard.append(str(error)))
    found.page.on("dialog", lambda dialog: (found.heard.append("dialog"), dialog.dismiss()))
    found.page.on("request", lambda request: found.heard.append(request.url))
    found.page.goto(file.as_uri())
    assert found.heard.pop(0) == file.as_uri()
    return found


@pytest.fixture(scope="module")
def file(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("pages") / "large.html"
    written.write_text(render(large(page)), encoding="utf-8")
    return written


def test_a_thousand_trials_are_small_and_open_at_once(browser: Any, file: Path) -> None:
    assert file.stat().st_size < MOST_BYTES
    took: list[float] = []
    # The machine may have other work: one of a few tries is enough.
    while len(took) < 8 and min(took, default=SECONDS) >= SECONDS:
        began = time.monotonic()
        shown = opened(browser, file)
        assert len(shown.texts("#plots svg .row")) == 2 * LOSSES
        took.append(time.monotonic() - began)
        assert not shown.heard
    assert min(took) < SECONDS


def test_the_table_sorts_and_filters(browser: Any, file: Path) -> None:
    shown = opened(browser, file)
    page, heading = shown.page, shown.page.locator("th[data-by='0']")
    assert len(shown.texts("#grid tbody tr")) == NETWORKS * LOSSES

    def order() -> list[float]:
        found: list[float] = page.evaluate(
            "(() => { const cells = JSON.parse(document.getElementById('data').textContent).cells;"
            " return [...document.querySelectorAll('#grid tbody tr')].map("
            "row => cells[row.dataset.cell].scores[0][2]); })()"
        )
        return found

    heading.locator("button").click()
    assert order() == sorted(order()) and heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").click()
    assert order() == sorted(order(), reverse=True) and heading.get_attribute("aria-sort") == "descending"
    page.fill("#filter", "net3 loss1")
    names = shown.texts("#grid tbody tr:not(.hidden)")
    assert len(names) == 11 and all("Net3" in name and "Loss1" in name for name in names)
    assert page.inner_text("#shown") == f"11 of {NETWORKS * LOSSES} rows"
    page.fill("#filter", "nothing like it")
    assert page.is_visible("#nothing") and not shown.heard


def test_a_cell_opens_by_click_and_by_key_and_closes(browser: Any, file: Path) -> None:
    shown = opened(browser, file)
    page = shown.page
    page.locator("#grid tbody tr").nth(1).locator("td.v0").click()
    assert page.inner_text("#details-title") == "Loss1, Net0"
    assert len(shown.texts("dialog .seeds tbody tr")) == SEEDS
    assert len(shown.texts("dialog svg")) == 5 and "calibsweep trial --dataset" in page.inner_text("dialog")
    page.locator("dialog button", has_text="seed 3").click()
    assert "seed 3" in page.inner_text("dialog h3 >> nth=2") and page.url.endswith("#cell-1-seed-3")
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog") and "#" not in page.url
    # The focus is back in the cell: down, right, and in again.
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.inner_text("#details-title") == "Loss2, Net0"
    page.reload()
    assert page.inner_text("#details-title") == "Loss2, Net0"
    page.keyboard.press("Escape")
    page.locator("#plots .row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    name = page.locator("#plots .row").nth(1).get_attribute("aria-label").partition(":")[0]
    assert page.inner_text("#details-title") == f"{name}, Net0"
    assert {line for line in shown.heard if line != page.url.partition("#")[0]} <= {page.url}


def test_another_score_and_network_change_the_answer(browser: Any, file: Path) -> None:
    shown = opened(browser, file)
    page = shown.page
    before = page.inner_text("#answers")
    page.select_option("#metric", label="Error")
    assert len(shown.texts("#answers article")) == 1 and "Error" in page.inner_text("#about")
    page.select_option("#metric", label="ECE")
    assert page.inner_text("#answers") == before
    page.locator("#overview button").nth(1).click()
    assert page.inner_text("#about").startswith("Net1.") and page.inner_text("#answers") != before
    assert page.is_visible("#failures") and "1 failed: diverged" in page.inner_text("header")
    assert not shown.heard


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_names_and_numbers_without_scrolling(browser: Any, file: Path, scheme: str) -> None:
    shown = opened(browser, file, 390, scheme)
    page = shown.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for selector in ("th.name", "td.v0", "td.v1"):
        box = page.locator(f"#grid tbody tr >> nth=0 >> {selector}").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390, selector
    page.locator("#grid tbody td.v0").first.click()
    assert page.evaluate("document.getElementById('details').scrollWidth") <= 390
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light") and not shown.heard


def test_hostile_texts_do_nothing(browser: Any, page: Page, tmp_path: Path) -> None:
    written = tmp_path / "hostile.html"
    written.write_text(render(hostile(page)), encoding="utf-8")
    shown = opened(browser, written)
    shown.page.locator("#grid tbody td.v0").first.click()
    assert "<img src=x onerror=alert(2)>" in shown.page.inner_text("dialog")
    assert shown.page.locator("img").count() == 0 and not shown.heard
