"""Takes arrays out of a pickle: python -P unpickle.py FILE.pkl FILE.npz

Nothing that the file names is imported or called, so it can run no code: each class and function is replaced
by one that keeps what it is given, and arrays are made of their type, shape and bytes. Arrays in tuples and
dictionaries get the way to them as names: '0_1' is the second of the first. It is run by itself, and imports
nothing of ours.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

COULD_NOT_RUN = 2
NUMBERS = "biuf"

ARRAY = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
FROM_BUFFER = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}
SCALAR = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
BYTES = {"_codecs.encode"}


class NoArrays(Exception):
    """The pickle contains anything but numbers in arrays, lists, tuples and dictionaries."""


class Kept:
    """Placeholder for an object of any class in a pickle, or for the result of a function.

    Attributes:
        path: Name of the class or function.
        given: Arguments.
        state: State to be set afterwards.
    """

    path = ""
    given: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Keeper(pickle.Unpickler):
    """Unpickles without importing anything."""

    def find_class(self, module: str, name: str) -> type[Kept]:
        path = f"{module}.{name}"
        return type(path, (Kept,), {"path": path})


def arrays(content: object, way: tuple[str, ...] = ()) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Names and arrays in an unpickled object. Raises NoArrays."""
    if isinstance(content, tuple) or (isinstance(content, list) and not _is_numbers(content)):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        yield "_".join(way) or "array", _array(content)
        return
    for key, value in content.items():
        yield from arrays(value, (*way, str(key)))


def _is_numbers(content: object) -> bool:
    """Whether lists contain numbers or rows, and no named arrays."""
    if isinstance(content, list):
        return all(map(_is_numbers, content))
    return isinstance(content, int | float) or (isinstance(content, Kept) and len(_shape(content)) < 2)


def _array(content: object) -> npt.NDArray[Any]:
    if isinstance(content, list):
        content = np.array([_array(value) for value in content])
    if isinstance(content, int | float):
        content = np.array(content)
    if isinstance(content, np.ndarray):
        return content
    if not isinstance(content, Kept) or content.path not in ARRAY | FROM_BUFFER | SCALAR:
        raise NoArrays(f"it contains {content.path if isinstance(content, Kept) else type(content).__name__}")
    if content.path in ARRAY:
        *_, dtype, fortran, data = content.state
    elif content.path in FROM_BUFFER:
        data, dtype, _, order = content.given
        fortran = order == "F"
    else:
        (dtype, data), fortran = content.given, False
    values = np.frombuffer(_bytes(data), _dtype(dtype))
    return values.reshape(_shape(content), order="F" if fortran else "C")


def _shape(content: Kept) -> tuple[int, ...]:
    if content.path in ARRAY:
        return tuple(content.state[-4])
    return tuple(content.given[2]) if content.path in FROM_BUFFER else ()


def _dtype(content: Kept) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(content.given[0])
    if dtype.kind not in NUMBERS:
        raise NoArrays(f"it contains an array of type {dtype}")
    return dtype.newbyteorder(content.state[1])


def _bytes(data: object) -> bytes:
    if isinstance(data, Kept) and data.path in BYTES:
        data = data.given[0]
    # Python 2 and older protocols have no bytes; each byte is a character.
    return data.encode("latin1") if isinstance(data, str) else bytes(data)  # type: ignore[call-overload]


def main() -> None:
    """Reads the first file and writes the second, which must not exist."""
    source, target = map(Path, sys.argv[1:])
    try:
        with source.open("rb") as file:
            found = dict(arrays(Keeper(file, encoding="latin1").load()))
        with target.open("xb") as file:
            np.savez(file, **found)  # type: ignore[arg-type]
    except FileExistsError:
        fail(f"{target} exists already.")
    except NoArrays as error:
        fail(f"{source} cannot be converted: {error}; only numeric arrays are supported.")
    except Exception as error:
        # A damaged pickle can raise any exception.
        fail(f"{source} cannot be read as a pickle of arrays: {error!r}")
    sys.stdout.write(shown(f"{target} has {', '.join(found)}.") + "\n")


def shown(line: str) -> str:
    """Escapes characters that a terminal would act on, since names come from the pickle."""
    return line if line.isprintable() else repr(line)[1:-1]


def fail(line: str) -> None:
    sys.stderr.write(f"{shown(line)}\n")
    sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
