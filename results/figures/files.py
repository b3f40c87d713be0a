"""Figures as bytes: the same picture gives the same bytes, without date, path or machine."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings

from results.figures.kinds import Kind, Picture
from trainables.texts import visible

FORMATS = ("svg", "pdf")

LONGEST = 55
"""Most letters of each part of a file's name. File systems allow 255 bytes."""


def name_of(kind: Kind, picture: Picture, format: str) -> str:
    """The name of a picture's file: 'reliability-digits-mlp-flsd_53.svg'."""
    return "-".join(part for part in map(_plain, (kind.name, *picture.parts)) if part) + f".{format}"


def _plain(text: str) -> str:
    """A text as part of a file's name: letters, digits, '_' and '.', and single '-' for all others."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.]+", "-", ascii_only).strip("-.")[:LONGEST]


def written(picture: Picture, format: str, subject: str) -> bytes:
    """A picture as a file.

    Args:
        format: 'svg' or 'pdf'.
        subject: The origin of its data, for the file's metadata.
    """
    from results.figures.style import styled

    title, subject, creator = visible(picture.title), visible(subject), "calibsweep"
    metadata = {
        "svg": {"Title": title, "Description": subject, "Creator": creator, "Date": None},
        "pdf": {"Title": title, "Subject": subject, "Creator": creator, "CreationDate": None},
    }[format]
    content = io.BytesIO()
    with styled(), warnings.catch_warnings():
        # The font draws a box in place of a letter that it lacks.
        warnings.filterwarnings("ignore", "Glyph")
        picture.drawing.savefig(content, format=format, metadata=metadata)
    return content.getvalue()
