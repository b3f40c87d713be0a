"""Characters that would act instead of being seen."""

from __future__ import annotations

import pytest

from trainables.texts import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe ± 0.5, 数据 ❤ \u00a0 a\u0301", "Größe ± 0.5, 数据 ❤ \u00a0 a\u0301"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07\x9b2J", r"\x1b]0;title\x07\x9b2J"),
        ("a\rb\bc\x7f\x00", r"a\rb\x08c\x7f\x00"),
        ("\u202egpj.\u2066x\u200b\u200d\ufeff", r"\u202egpj.\u2066x\u200b\u200d\ufeff"),
        ("a\u2028b\x85c\ud800", r"a\u2028b\x85c\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("a\n\tb", r"a\n\tb"),
    ],
    ids=ascii,
)
def test_control_characters_are_escaped_and_the_rest_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_ends_of_a_text_of_several_lines_may_stay() -> None:
    assert visible("a\n\tb\r\n", "\n\t") == "a\n\tb\\r\n"
