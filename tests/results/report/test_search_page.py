"""The page of a search: self-contained, deaf to texts of others, the best first."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from pathlib import Path

import pytest

from results.report import search as search_page
from results.report.search import page_of, render
from results.searched import Record, Suggested
from sweeps.search import Search, load

from .test_rendering import HOSTILE, parsed

FILE = """
name: margins
dataset: digits
model: mlp
losses: [{focal: {gamma: {low: 0, high: 5}}}, cross_entropy]
objectives: [error, top_1_accuracy]
trials: 9
"""


@pytest.fixture
def search(tmp_path: Path) -> Search:
    (tmp_path / "margins.yaml").write_text(FILE, encoding="utf-8")
    found = load(tmp_path / "margins.yaml")
    return dataclasses.replace(found, file=found.file.model_copy(update={"description": HOSTILE}))


def record_of(search: Search) -> Record:
    """Of 9 trials: four with scores (the second and last on the front), one stopped, one failed."""
    scores = [(0.3, 0.7), (0.1, 0.5), None, (0.25, 0.6), None, (0.2, 0.9)]
    suggested = [
        Suggested(
            number,
            HOSTILE,
            {"focal.gamma": HOSTILE},
            f"key{number}",
            "",
            each,
            "finished" if each else f"stopped {HOSTILE}",
            number == 2,
            number in (1, 5),
        )
        for number, each in enumerate(scores)
    ]
    importance = {"error": {"loss": 0.75, "focal.gamma": 0.25}, "top_1_accuracy": {}}
    return Record("margins", 9, search.objectives, suggested, importance)


def test_the_page_shows_the_search_and_interprets_no_text(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(search, record_of(search), HOSTILE, {"Store": HOSTILE})
    assert [line[0] for line in page.best.lines] == ["1", "5"]
    # The lowest error first, then those without scores.
    assert [line[0] for line in page.trials.lines] == ["1", "5", "3", "0", "2", "4"]
    assert page.trials.lines[0][3:5] == ("10.00%", "50.00%")
    assert ("loss", "focal, cross_entropy", "75%", "") in page.space.lines
    assert [kind for _, kind in page.facts].count("bad") == 1
    monkeypatch.setattr(search_page, "MOST_LINES", 2)
    assert len(page_of(search, record_of(search), "", {}).trials.lines) == 2

    text = render(page)
    found = parsed(text)
    tags = [tag for tag, _ in found.elements]
    assert tags.count("tr") == 3 + 2 + 6 + 2 and "script" not in tags and tags.count("img") == 1
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert not set(text) & set("\x1b\u202e\u2028")
    (policy,) = (each["content"] for _, each in found.elements if each.get("http-equiv"))
    (style,) = found.code
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy and f"style-src 'sha256-{digest}'" in policy and "script" not in policy
    assert not any("style" in attributes for _, attributes in found.elements)
    # A marker for each trial in both histories, one for each stopped trial there, and those on the front.
    picture = base64.b64decode(page.picture).decode()
    assert picture.count("<use ") >= 2 * (4 + 1) + 4
