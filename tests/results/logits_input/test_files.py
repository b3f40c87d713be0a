"""Every kind of file gives the arrays that were written, and a damaged or foreign one is refused unread."""

from __future__ import annotations

import io
import json
import pickle
import re
import shlex
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from results.scoring.logits_input import Names, chosen, memory, read
from trainables.errors import CalibsweepError, DataError, InputError

from .conftest import CLASSES, Network

Writer = Callable[[Path, Network], list[Path]]


def frame(logits: np.ndarray, labels: np.ndarray, prefix: str = "logit_") -> pd.DataFrame:
    # Not in the order of their numbers, which is what counts.
    columns = {f"{prefix}{number}": logits[:, number] for number in reversed(range(logits.shape[1]))}
    return pd.DataFrame({"label": labels, **columns})


def npz(folder: Path, network: Network) -> list[Path]:
    np.savez_compressed(folder / "mine.npz", **network.arrays())
    return [folder / "mine.npz"]


def npy(folder: Path, network: Network) -> list[Path]:
    for name, values in network.arrays().items():
        np.save(folder / f"{name}.npy", values)
    return [folder / f"{name}.npy" for name in network.arrays()]


def npy_in_folders(folder: Path, network: Network) -> list[Path]:
    files = []
    for name, values in network.arrays().items():
        part, role = name.split("_")
        (folder / part).mkdir(exist_ok=True)
        np.save(folder / part / f"{role}.npy", values)
        files.append(folder / part / f"{role}.npy")
    return files


def without_names(folder: Path, network: Network) -> list[Path]:
    np.savez(folder / "mine.npz", *network.arrays().values())
    return [folder / "mine.npz"]


def big_endian(folder: Path, network: Network) -> list[Path]:
    arrays = {
        name: values.astype(values.dtype.newbyteorder(">")) for name, values in network.arrays().items()
    }
    np.savez(folder / "mine.npz", **{name: np.asfortranarray(values) for name, values in arrays.items()})
    return [folder / "mine.npz"]


def torch_dictionary(folder: Path, network: Network) -> list[Path]:
    torch.save(
        {name: torch.from_numpy(values) for name, values in network.arrays().items()}, folder / "mine.pt"
    )
    return [folder / "mine.pt"]


def torch_nested(folder: Path, network: Network) -> list[Path]:
    nested: dict[str, dict[str, torch.Tensor]] = {"val": {}, "test": {}}
    for name, values in network.arrays().items():
        part, role = name.split("_")
        nested[part][role] = torch.nn.Parameter(torch.from_numpy(values), requires_grad=role == "logits")
    torch.save(nested, folder / "mine.pth")
    return [folder / "mine.pth"]


def torch_pairs_of_old(folder: Path, network: Network) -> list[Path]:
    for part in ("val", "test"):
        arrays = (getattr(network, f"{part}_{role}") for role in ("logits", "labels"))
        pair = tuple(map(torch.from_numpy, arrays))
        torch.save(pair, folder / f"{part}.pt", _use_new_zipfile_serialization=False)
    return [folder / "val.pt", folder / "test.pt"]


def csv(folder: Path, network: Network) -> list[Path]:
    frame(network.val_logits, network.val_labels).to_csv(folder / "validation.csv")
    frame(network.test_logits, network.test_labels).to_csv(folder / "test.csv")
    return [folder / "test.csv", folder / "validation.csv"]


def csv_with_a_split(folder: Path, network: Network) -> list[Path]:
    parts = [frame(network.val_logits, network.val_labels), frame(network.test_logits, network.test_labels)]
    both = pd.concat(parts, keys=["valid", "Test"], names=["split", None]).reset_index(level=0)
    both.to_csv(folder / "both.csv", index=False, sep=";", encoding="utf-8-sig")
    return [folder / "both.csv"]


def parquet(folder: Path, network: Network) -> list[Path]:
    frame(network.val_logits, network.val_labels).to_parquet(folder / "val.parquet")
    frame(network.test_logits, network.test_labels, "p").to_parquet(folder / "test.parquet")
    return [folder / "val.parquet", folder / "test.parquet"]


def parquet_lists(folder: Path, network: Network) -> list[Path]:
    for part in ("val", "test"):
        logits, labels = getattr(network, f"{part}_logits"), getattr(network, f"{part}_labels")
        lists = pd.DataFrame({"sample_id": range(len(labels)), "logits": list(logits), "label": labels})
        lists.to_parquet(folder / f"{part}.parquet")
    return [folder / "val.parquet", folder / "test.parquet"]


WRITERS = [
    *(npz, npy, npy_in_folders, without_names, big_endian),
    *(torch_dictionary, torch_nested, torch_pairs_of_old),
    *(csv, csv_with_a_split, parquet, parquet_lists),
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_format_gives_the_numbers_that_were_written(
    write: Writer, network: Network, tmp_path: Path
) -> None:
    arrays, _ = read(write(tmp_path, network), Names())
    pairs, _ = chosen(arrays, Names())
    assert set(pairs) == {"val", "test"}
    for part, pair in pairs.items():
        for role in ("logits", "labels"):
            array, expected = getattr(pair, role), getattr(network, f"{part}_{role}")
            assert array.shape == expected.shape
            loaded = array.load()
            assert loaded.dtype == array.dtype
            # A CSV file has each float32 in digits that lead back to it.
            np.testing.assert_array_equal(loaded.astype(expected.dtype), expected)


def test_the_stores_own_predictions_are_taken(repository: Path) -> None:
    from results.scoring.commit import tensors

    path = sorted((repository / "tests/golden/store/predictions").rglob("*.parquet"))[0]
    arrays, _ = read([path], Names())
    pairs, _ = chosen(arrays, Names())
    stored = pd.read_parquet(path)
    for part, split in (("val", "validation"), ("test", "test")):
        logits, labels = tensors(pq.read_table(path), split)
        assert len(labels) == (stored["split"] == split).sum()
        np.testing.assert_array_equal(pairs[part].logits.load(), logits.numpy())
        np.testing.assert_array_equal(pairs[part].labels.load(), labels.numpy())


def test_bfloat16_is_taken_as_float32(tmp_path: Path) -> None:
    torch.save({"logits": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16)}, tmp_path / "half.pt")
    ((array,), _) = read([tmp_path / "half.pt"], Names())
    assert array.dtype == np.float32 and array.load().tolist() == [[1.5, -2.0]]


def header_of(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def claims_too_much(folder: Path) -> Path:
    return zipped(folder / "x.npz", logits=header_of((10**6, 10**6)) + bytes(400))


def not_whole(folder: Path) -> Path:
    np.save(folder / "x.npy", np.ones((50, 3)))
    (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:-8])
    return folder / "x.npy"


def altered(folder: Path) -> Path:
    np.savez(folder / "x.npz", logits=np.ones((50, 3), np.float32))
    content = bytearray((folder / "x.npz").read_bytes())
    content[300] ^= 1
    (folder / "x.npz").write_bytes(content)
    return folder / "x.npz"


def cut(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        if name.endswith("npz"):
            np.savez(folder / name, logits=np.ones((50, 3)))
        elif name.endswith("pt"):
            torch.save({"logits": torch.ones(50, 3)}, folder / name)
        else:
            pd.DataFrame({"logit_0": [0.5], "logit_1": [1.0], "label": [1]}).to_parquet(folder / name)
        path = folder / name
        path.write_bytes(path.read_bytes()[:-100])
        return path

    return write


def text(content: str | bytes, name: str = "x.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return write


def with_numpy(folder: Path) -> Path:
    torch.save({"logits": np.ones((5, 3))}, folder / "x.pt")
    return folder / "x.pt"


def lists_of_two_lengths(folder: Path) -> Path:
    pd.DataFrame({"logits": [[1.0, 2.0], [1.0]], "label": [0, 1]}).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda folder: folder / "no.npz", DataError, "no such file"),
        (lambda folder: folder, InputError, "is a folder"),
        (text(b"", "x.npz"), DataError, "is empty"),
        (claims_too_much, DataError, "claims 4,000,000,000,000 bytes"),
        (lambda f: zipped(f / "x.npz", logits=header_of((-3, 4))), DataError, "damaged"),
        (
            lambda f: zipped(f / "x.npz", logits=b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 10**6),
            DataError,
            "damaged",
        ),
        (lambda f: zipped(f / "x.npz", logits=b"?"), DataError, "damaged"),
        (lambda f: zipped(f / "x.npz"), InputError, "without arrays"),
        (not_whole, DataError, "incomplete"),
        (altered, DataError, "damaged"),
        (cut("x.npz"), DataError, "damaged"),
        (cut("x.pt"), DataError, "damaged"),
        (cut("x.parquet"), DataError, "damaged"),
        (with_numpy, InputError, "save only its tensors"),
        (text("0.5,1.5,0\n1.5,0.5,1\n"), InputError, "begins with numbers"),
        (text("label\n1\n"), InputError, "is not a table"),
        (text("label,logit_0,logit_1\n"), InputError, "no rows"),
        (text("label,logit_0,logit_0\n1,2,3\n"), InputError, "several columns 'logit_0'"),
        (text("label,logit_0,logit_1\n1,2,3\n1,2\n"), DataError, "cannot be read as CSV"),
        (text("label,logit_0,logit_1\n1,2,3\n1,2,many\n"), DataError, "many"),
        (lists_of_two_lengths, InputError, "differ in length"),
        (text(b"\x89HDF\r\n\x1a\n" + bytes(99), "x.h5"), InputError, "HDF5"),
        (text(b"\x1f\x8b\x08" + bytes(99), "x.csv.gz"), InputError, "unpack it"),
        (text(bytes(range(1, 200)) + bytes(9), "x.bin"), InputError, "numpy.savez"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    write: Callable[[Path], Path], error: type[CalibsweepError], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path)
    with pytest.raises(error, match=re.escape(message)) as raised:
        for array in read([path], Names())[0]:
            array.load()
    assert str(path) in str(raised.value)


def npz_that_unpacks(folder: Path) -> Path:
    return zipped(
        folder / "x.npz",
        logits=header_of((9_000, 100)) + bytes(3_600_000),
        labels=header_of((9_000,), "<i8") + bytes(72_000),
    )


def expanded_tensor(folder: Path) -> Path:
    torch.save({"logits": torch.zeros(1).expand(9_000, 100), "labels": torch.zeros(9_000)}, folder / "x.pt")
    return folder / "x.pt"


def long_csv(folder: Path) -> Path:
    (folder / "x.csv").write_text(
        "label," + ",".join(f"z{n}" for n in range(100)) + "\n" + ("0" + ",0" * 100 + "\n") * 9_000
    )
    return folder / "x.csv"


def packed_parquet(folder: Path) -> Path:
    pd.DataFrame({"label": np.zeros(9_000, int), "logits": list(np.zeros((9_000, 100)))}).to_parquet(
        folder / "x.parquet"
    )
    return folder / "x.parquet"


@pytest.mark.parametrize("write", [npz_that_unpacks, expanded_tensor, long_csv, packed_parquet])
def test_a_file_larger_than_memory_is_refused_before_it_is_read(
    write: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from results.scoring.logits_input.shapes import form_of

    path = write(tmp_path)
    needed = 9_000 * (100 * memory.BYTES_PER_NUMBER + memory.BYTES_PER_SAMPLE)
    for free, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(memory, "available", lambda free=free: free)
        try:
            arrays, _ = read([path], Names())
            form_of("test", chosen(arrays, Names())[0]["test"])
        except InputError as error:
            assert not fits and "900,000 numbers" in str(error)
        else:
            assert fits


def test_available_memory_respects_the_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    machine = memory.available()
    assert machine > 0
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory.available() == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() > 2_000_000


class Runs:
    """What runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def converted(path: Path) -> subprocess.CompletedProcess[str]:
    """Runs the line that a refusal gives."""
    with pytest.raises(InputError) as refused:
        read([path], Names())
    line = str(refused.value)
    assert "\n" not in line
    return subprocess.run(
        shlex.split(line[line.index(" -P ") - len(line[: line.index(" -P ")].split(": ")[-1]) :]),
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_line_for_a_pickle_takes_its_arrays_out(network: Network, tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "it's mine.p"
    val, test = (
        (network.val_logits, network.val_labels),
        (np.asfortranarray(network.test_logits), network.test_labels.tolist()),
    )
    path.write_bytes(pickle.dumps((val, test), protocol=protocol))
    done = converted(path)
    assert done.returncode == 0, done.stderr
    pairs, _ = chosen(read([path.with_suffix(".npz")], Names())[0], Names())
    for part in ("val", "test"):
        np.testing.assert_array_equal(pairs[part].logits.load(), getattr(network, f"{part}_logits"))
        np.testing.assert_array_equal(pairs[part].labels.load(), getattr(network, f"{part}_labels"))
    # What is there is not written over.
    assert converted(path).returncode == 2


def forged_array() -> bytes:
    """A pickle that asks NumPy for an array of Python objects at addresses that it gives."""
    return b"cnumpy\nndarray\n((I1\ntS'O'\nS'AAAAAAAA'\ntR."


def test_the_line_for_a_pickle_runs_nothing_that_it_names(tmp_path: Path) -> None:
    for number, content in enumerate(
        [
            pickle.dumps({"logits": np.ones((3, 2)), "x": Runs(tmp_path / "ran")}),
            pickle.dumps(Runs(tmp_path / "ran")),
            forged_array(),
        ]
    ):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(content)
        done = converted(path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert not path.with_suffix(".npz").exists() and not (tmp_path / "ran").exists()


def test_the_line_for_json_converts_it(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({name: values.tolist() for name, values in network.arrays().items()}))
    done = converted(path)
    assert done.returncode == 0, done.stderr
    pairs, _ = chosen(read([tmp_path / "x.npz"], Names())[0], Names())
    np.testing.assert_array_equal(pairs["val"].logits.load().astype(np.float32), network.val_logits)


def test_reading_prints_no_warning(network: Network, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for write in (npz, torch_nested, csv, parquet_lists):
            (tmp_path / write.__name__).mkdir()
            arrays, _ = read(write(tmp_path / write.__name__, network), Names())
            assert [array.load().shape[1:] in ((), (CLASSES,)) for array in arrays]
