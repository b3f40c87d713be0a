"""The files of figures, and the looks of losses."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.colors import to_rgb

from results.figures import files, kinds, looks, style
from results.figures.data import Cell, Results
from results.figures.kinds import Picture
from results.tables import names

from .conftest import pictures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "../a</title><script>x</script>--><!-- $\\frac{ &amp; \x1b[31m"


def theory() -> tuple[kinds.Kind, Picture]:
    return kinds.chosen(("focal_gamma",))[0], pictures("focal_gamma", Results())[0]


@pytest.mark.parametrize("format", files.FORMATS)
def test_the_same_data_give_the_same_bytes(format: str) -> None:
    once, again = (files.written(theory()[1], format, "sweep") for _ in range(2))
    assert once == again
    assert not re.search(rb"<dc:date>|/CreationDate|/ModDate", once)


def test_svg_is_well_formed_and_pdf_is_whole() -> None:
    kind, picture = theory()
    root = ElementTree.fromstring(files.written(picture, "svg", "sweep"))
    assert root.tag == f"{SVG}svg" and len(list(root.iter(f"{SVG}path"))) > 10
    pdf = files.written(picture, "pdf", "sweep")
    assert pdf.startswith(b"%PDF-1.") and pdf.rstrip().endswith(b"%%EOF") and b"/Type /Page" in pdf
    assert files.name_of(kind, picture, "pdf") == "focal_gamma.pdf"


def test_the_users_settings_change_nothing() -> None:
    expected = files.written(theory()[1], "svg", "sweep")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "none", "axes.grid": False}):
        assert files.written(theory()[1], "svg", "sweep") == expected


def test_labels_are_texts_and_not_markup(cell: Cell, tmp_path: Path) -> None:
    trial = dataclasses.replace(cell.trials[0], loss=HOSTILE)
    hostile = dataclasses.replace(cell, dataset=HOSTILE, settings=HOSTILE, trials=(trial,))
    kind = kinds.chosen(("training",))[0]
    (picture,) = pictures("training", Results([hostile]))
    content = files.written(picture, "svg", HOSTILE)
    root = ElementTree.fromstring(content)
    assert not [each for each in root.iter() if str(each.tag).endswith("script")]
    assert b"\x1b" not in content
    written = tmp_path / files.name_of(kind, picture, "svg")
    assert written.resolve().parent == tmp_path.resolve() and re.fullmatch(r"[\w.-]+", written.name)
    long = dataclasses.replace(picture, parts=("x" * 300,) * 4)
    assert len(files.name_of(kind, long, "svg")) < 250


@pytest.mark.parametrize(("letters", "columns"), [(3, 5), (25, 3), (90, 1)])
def test_names_and_notes_fit_into_the_figure(letters: int, columns: int) -> None:
    with style.styled():
        drawing, _ = style.grid(1, 2, 2.0)
        style.heading(drawing, "A title", "", *["a note of six words"] * 8)
        style.key(drawing, [style.line_of("mmce", letter * letters) for letter in "abcdefg"])
        # As in an SVG.
        drawing.set_dpi(72)
        drawing.draw_without_rendering()
        (legend,) = drawing.legends
        assert columns == len({round(text.get_window_extent().x0) for text in legend.get_texts()})
        title = next(text for text in drawing.texts if text.get_text().startswith("A title"))
        for part in (title, legend):
            box = part.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= drawing.bbox.width


def test_each_loss_has_its_own_look() -> None:
    every = [looks.look(loss) for loss in names.LOSSES]
    assert {*looks.KNOWN, *looks.RECENT} == {*names.LOSSES}
    assert len({each.color for each in every}) == len(every)
    # In black and white, losses of one family differ by line, others by marker.
    assert len({(each.marker, each.line) for each in every}) == len(every)


def test_the_look_of_another_loss_follows_from_its_name() -> None:
    # Fixed for ever: figures of different versions are put side by side.
    assert looks.look("focal(gamma=0.5)") == looks.Look("#b311a2", "*", "--")
    for loss in ("my_loss", "focal(gamma=4)", "poly"):
        others = [to_rgb(color) for color, _, _ in looks.KNOWN.values()]
        assert min(math.dist(to_rgb(looks.look(loss).color), each) for each in others) > looks.APART - 0.01
