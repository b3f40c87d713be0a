"""Files that hold logits in a form that is not read: each is refused with the line that converts it."""

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
    b"MATLAB": "a file of MATLAB's",
    b"ARROW1": "an Arrow (Feather) file",
    b"\x1f\x8b": "compressed with gzip",
    b"\xfd7zXZ": "compressed with xz",
    b"BZh": "compressed with bzip2",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard",
}
"""How files begin, and what they then are."""

PICKLES = {".p", ".pkl", ".pickle"}
PROTOCOLS = [bytes([protocol]) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]


def refuse(path: Path, start: bytes) -> None:
    """Raises InputError, with what to do, for a file that by these first bytes is no CSV."""
    if (start[:1] == b"\x80" and start[1:2] in PROTOCOLS) or path.suffix.lower() in PICKLES:
        line = _line(str(Path(__file__).with_name("unpickle.py")), path=path)
        raise InputError(
            f"{path} is a pickle, and opening one can run any code: this takes the arrays out of it, and "
            f"runs nothing: {line}"
        )
    if start.lstrip()[:1] in (b"{", b"["):
        line = _line("-c", _FROM_JSON, path=path)
        raise InputError(f"{path} is JSON: if it is one object of named lists, this converts it: {line}")
    for beginning, kind in STARTS.items():
        if start.startswith(beginning):
            raise InputError(f"{path} is {kind}, which is not read: {_advice(kind)}")
    if any(byte < 9 or 13 < byte < 32 for byte in start):
        raise InputError(f"{path} is of a kind that is not read: save arrays with numpy.savez.")


def _advice(kind: str) -> str:
    if kind.startswith("compressed"):
        return "unpack it."
    return "load it where it was made, and save logits and labels with numpy.savez."


def _line(*program: str, path: Path) -> str:
    # -P: what lies in the current folder is not imported.
    return shlex.join([sys.executable, "-P", *program, str(path), str(path.with_suffix(".npz"))])
