"""Refuses files in unsupported formats, with a command that converts them."""

from __future__ import annotations

import pickle
import shlex
import sys
from pathlib import Path

from trainables.errors import InputError

_FROM_JSON = """\
import json, sys, numpy; \
numpy.savez(open(sys.argv[2], "xb"), \
**{name: numpy.array(values) for name, values in json.load(open(sys.argv[1])).items()})"""

STARTS = {
    b"\x89HDF": "HDF5",
    b"MATLAB": "a MATLAB file",
    b"ARROW1": "an Arrow (Feather) file",
    b"\x1f\x8b": "compressed with gzip",
    b"\xfd7zXZ": "compressed with xz",
    b"BZh": "compressed with bzip2",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard",
}
"""Formats by the first bytes of a file."""

PICKLES = {".p", ".pkl", ".pickle"}
PROTOCOLS = [bytes([protocol]) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]


def refuse(path: Path, start: bytes) -> None:
    """Raises InputError with the remedy if these first bytes are not those of a CSV file."""
    if (start[:1] == b"\x80" and start[1:2] in PROTOCOLS) or path.suffix.lower() in PICKLES:
        line = _line(str(Path(__file__).with_name("unpickle.py")), path=path)
        raise InputError(
            f"{path} is a pickle, and loading it can run any code: this extracts its arrays, and "
            f"runs nothing: {line}"
        )
    if start.lstrip()[:1] in (b"{", b"["):
        line = _line("-c", _FROM_JSON, path=path)
        raise InputError(f"{path} is JSON: convert a single object of named lists with: {line}")
    for beginning, kind in STARTS.items():
        if start.startswith(beginning):
            raise InputError(f"{path} is {kind}, which is not supported: {_advice(kind)}")
    if any(byte < 9 or 13 < byte < 32 for byte in start):
        raise InputError(f"{path} has an unsupported format: save arrays with numpy.savez.")


def _advice(kind: str) -> str:
    if kind.startswith("compressed"):
        return "unpack it."
    return "load it with its own program, and save logits and labels with numpy.savez."


def _line(*program: str, path: Path) -> str:
    # -P: imports nothing from the current folder.
    return shlex.join([sys.executable, "-P", *program, str(path), str(path.with_suffix(".npz"))])
