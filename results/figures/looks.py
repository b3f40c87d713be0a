"""Colour, marker and line of a loss: one for every figure and page.

They follow from its label alone, so they are the same in each sweep and each version.
"""

from __future__ import annotations

import colorsys
import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Line = Literal["-", "--", "-.", ":"]

KNOWN: dict[str, tuple[str, str, Line]] = {
    "cross_entropy": ("#222222", "o", "-"),
    "brier": ("#8c6d31", "s", "--"),
    "mmce": ("#7f7f7f", "D", "-."),
    "label_smoothing": ("#d9a400", "v", ":"),
    "focal_1": ("#8fc1e3", "^", "--"),
    "focal_2": ("#3f8fd0", "^", "-."),
    "focal_3": ("#0b4a94", "^", "-"),
    "flsc_531": ("#7cc576", "<", "--"),
    "flsc_532": ("#238b45", "<", "-"),
    "flsd_53": ("#8e44ad", ">", "-"),
    "flsd_532": ("#c38bd0", ">", "--"),
    "adafocal": ("#d7301f", "P", "-"),
    "inverse_focal": ("#f16913", "X", "-."),
}

RECENT: dict[str, tuple[str, str, Line]] = {
    "dual_focal": ("#00a6a6", "h", "-"),
    "focal_gra": ("#5b6bd6", "h", "--"),
    "bsce_gra": ("#7b2d26", "d", "-."),
    "mbls": ("#e377c2", "p", "-"),
    "focal_mdca": ("#2f4f4f", "h", ":"),
    "cals_alm": ("#bcbd22", "8", "--"),
    "acls": ("#556b2f", "8", "-"),
    "sb_ece": ("#ff9896", "*", "-"),
    "cpc": ("#40e0d0", "*", "--"),
    "confidence_penalty": ("#ad1457", "d", "--"),
    "esd": ("#3d0c63", "p", "-."),
    "weighted_cross_entropy": ("#6b705c", "o", "--"),
    "square_root_weighted_cross_entropy": ("#a5a58d", "o", ":"),
    "alpha_focal": ("#1ca3ec", "^", ":"),
    "class_balanced_cross_entropy": ("#b5838d", "s", "-"),
    "class_balanced_focal": ("#0077b6", "s", "-."),
    "class_balanced_sigmoid_focal": ("#90be6d", "s", ":"),
    "sigmoid_focal": ("#577590", "v", "-"),
    "ldam_drw": ("#f9c74f", "P", "--"),
    "balanced_softmax": ("#c1121f", "D", "-"),
    "logit_adjustment": ("#ffb703", "D", "--"),
}
"""Losses added later. The looks of others keep apart from `KNOWN` alone, since they never change."""

APART = 0.22
"""Least distance of another colour from those of `KNOWN`, of the 1.73 between black and white."""

MARKERS = "*hdp8"
LINES: tuple[Line, ...] = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Look:
    """How a loss is drawn: as #rrggbb, and by the names that matplotlib gives markers and lines."""

    color: str
    marker: str
    line: Line


def look(loss: str) -> Look:
    """The look of a loss, from its label alone."""
    if given := KNOWN.get(loss) or RECENT.get(loss):
        return Look(*given)
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{attempt} {loss}".encode("utf-8", "surrogatepass")).digest()
        hue, lightness, saturation = (byte / 255 for byte in digest[:3])
        rgb = colorsys.hls_to_rgb(hue, 0.34 + 0.2 * lightness, 0.5 + 0.4 * saturation)
        if all(math.dist(rgb, rgb_of(color)) > APART for color, _, _ in KNOWN.values()):
            break
    return Look(hex_of(rgb), MARKERS[digest[3] % len(MARKERS)], LINES[digest[4] % len(LINES)])


def rgb_of(color: str) -> tuple[float, float, float]:
    """Red, green and blue from 0 to 1 of a colour #rrggbb."""
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def hex_of(rgb: Sequence[float]) -> str:
    """The colour as #rrggbb."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
