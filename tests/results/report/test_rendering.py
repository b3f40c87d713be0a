"""The page of a report: self-contained, and deaf to what texts of others would have it do."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

from results.report.page import Failure, Page
from results.report.rendering import escaped, render

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>]]>{{ 7*7 }}\u2028\x1b[31m\u202e'\"&amp;"
)


class Found(HTMLParser):
    """The elements of a page with their attributes, and the text within scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.code: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem and self.elements[-1][0] == self.cdata_elem:
            self.code.append(data)


def parsed(text: str) -> Found:
    found = Found()
    found.feed(text)
    return found


def hostile(page: Page) -> Page:
    """The page with a hostile text wherever one comes from a sweep file, a plug-in or a store."""
    loss = dataclasses.replace(page.losses[1], name=HOSTILE)
    network = dataclasses.replace(page.networks[0], title=HOSTILE)
    (cell, *others) = page.cells
    trial = dataclasses.replace(cell.trials[0], facts={HOSTILE: HOSTILE})
    cell = dataclasses.replace(cell, trials=(trial, *cell.trials[1:]), training=HOSTILE, recorded=HOSTILE)
    return dataclasses.replace(
        page,
        title=HOSTILE,
        description=HOSTILE,
        losses=[page.losses[0], loss],
        networks=[network, *page.networks[1:]],
        cells=[cell, *others],
        failures=[Failure(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), 1)],
        notes=[HOSTILE for _ in page.notes],
        made_of={HOSTILE + name: HOSTILE for name in page.made_of},
        origins=[{HOSTILE: HOSTILE} for _ in page.origins],
    )


def test_texts_of_others_are_shown_and_never_interpreted(page: Page) -> None:
    text = render(hostile(page))
    found = parsed(text)
    plain = parsed(render(dataclasses.replace(page, failures=[Failure("a", "b", "c", ("d",), 1)])))
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in plain.elements]
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert "alert(1)</script>" not in text and "49" not in re.findall(r"<h1>(.*?)</h1>", text)[0]
    assert not set(text) & set("\x1b\u202e\u2028")
    data = json.loads(next(code for code in found.code if code.startswith("{")))
    assert data["losses"][1].startswith("</script><script>alert(1)")


def test_json_cannot_leave_its_element() -> None:
    text = escaped(json.dumps([HOSTILE]))
    assert not set(text) & set("<>&\u2028\u2029") and json.loads(text) == [HOSTILE]


def test_the_policy_allows_the_pages_own_code_alone(page: Page) -> None:
    found = parsed(render(page))
    (policy,) = (each["content"] for tag, each in found.elements if each.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and "unsafe" not in policy and "http" not in policy
    style, _, script = found.code
    for rule, code in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    for _, attributes in found.elements:
        assert not any(name in attributes for name in ("style", "src", "srcset"))
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|innerHTML|eval\(", style + script)
