"""What is printed to be copied: pasted into a shell, it asks for the very same again."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from orchestrator.cli import app
from orchestrator.cluster.jobs import Job
from orchestrator.command_line.copied import show, typed
from orchestrator.screen.launched import only_to_launch
from orchestrator.screen.run import print_ran
from orchestrator.use_cases.run import Ran
from results.terminal import Terminal
from trainables.errors import DataError
from trainables.shell import quoted

ODD = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30
) | st.sampled_from(
    [
        "int st",
        "seeds=[0, 1]",
        "a  b",
        "-x",
        "--store",
        "it's",
        "$HOME",
        "a\tb",
        "über",
        "[bold]x",
        ":smile:",
        " ",
    ]
)
PRINTABLE = ODD.filter(str.isprintable)
"""What Python's shlex can split: it knows nothing of $'...'."""


def asked(words: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "sweep": words,
            # Nothing that is refused as the address of a bucket.
            "store": words.map(lambda word: f"./{word}"),
            "overrides": st.lists(words, max_size=3).map(tuple),
            "data": st.none() | words.map(Path),
            "address": st.none() | words,
            "retry_failed": st.booleans(),
        },
        # Of a driver that is a job.
        optional={"cluster": st.none() | words},
    )


def read(line: str) -> tuple[str, dict[str, Any]]:
    """The command that a line calls and what it gives it, by the real command line."""
    program, *words = shlex.split(line)
    assert program == "calibsweep"
    command: click.Command = app
    path = []
    while isinstance(command, click.Group):
        path.append(words.pop(0))
        command = command.commands[path[-1]]
    return " ".join(path), command.make_context(path[-1], words).params


def shown(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("  calibsweep ")]


def narrow() -> Terminal:
    return Terminal(file=io.StringIO(), width=20)


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CALIBSWEEP_STORE", "CALIBSWEEP_DATA"):
        monkeypatch.delenv(name, raising=False)


@given(asked(PRINTABLE), st.sampled_from([(0, 0, 3), (2, 0, 3), (2, 1, 0), (0, 1, 2)]))
@example({"sweep": "tiny.yaml", "store": "int st", "overrides": ("training.epochs=300",)}, (2, 0, 1))
def test_after_a_run_every_line_asks_for_the_same(given: dict[str, Any], ended: tuple[int, int, int]) -> None:
    left, failed, done = ended
    console = narrow()
    print_ran(Ran("x", "./x", 9, done, failed, left, None, None), given, console)
    lines = [read(line) for line in shown(console.file.getvalue())]  # type: ignore[attr-defined]
    if given.get("cluster") is not None:
        given = {**given, "cluster": Path(given["cluster"])}
    expected = ["launch" if "cluster" in given else "run"] * bool(left) + ["plan"] * bool(failed)
    # Nothing is offered that must fail: there are no tables of nothing.
    assert [name for name, _ in lines] == expected + ["tables", "store verify", "list"] * bool(done)
    for name, params in lines:
        taken = given.keys() & params.keys()
        assert {key: params[key] for key in taken} == {key: given[key] for key in taken}, name
        assert taken >= {"store"} or name == "list"
    assert all(params["failures"] for name, params in lines if name == "plan")


@given(asked(PRINTABLE), st.booleans())
def test_after_a_launch_too(given: dict[str, Any], by_file: bool) -> None:
    place = given["address"] or "x"
    # A folder is refused as a cluster file.
    assume(not by_file or not Path(place).is_dir())
    wanted = {
        "sweep": given["sweep"],
        "store": given["store"],
        "overrides": given["overrides"],
        "cluster": Path(place) if by_file else None,
        "address": None if by_file else place,
    }
    for command in ("launch", "status", "logs", "stop"):
        name, params = read(typed(command, wanted))
        assert name == command
        assert {key: params[key] for key in wanted} == wanted
    # What only `launch` was given is read off its job.
    options = shlex.split(typed("run", {**given, "sweep": "x"}))[1:]
    entrypoint = shlex.join(["python", "-m", "orchestrator", *options])
    _, params = read(typed("launch", wanted, **only_to_launch(Job("", "", "", 0, entrypoint))))
    assert (params["data"], params["retry_failed"]) == (given["data"], given["retry_failed"])


@given(ODD)
def test_data_is_made_ready_where_it_is_looked_for(root: str) -> None:
    (line,) = DataError("it is missing", "sst").below(Path(root)).lines
    if root.isprintable():
        name, params = read(line.partition(": ")[2])
        assert (name, params["name"], params["data"]) == ("data prepare", "sst", Path(root))
    assert len(line.splitlines()) == 1


@given(st.lists(ODD | st.binary(min_size=1, max_size=9).map(os.fsdecode), max_size=8))
def test_a_shell_gets_the_very_same_words_from_a_terminal(words: list[str]) -> None:
    words = [word.replace("\0", "") for word in words]
    console = narrow()
    show(console, quoted("printf", r"%s\0", *words, "end"))
    line = console.file.getvalue()  # type: ignore[attr-defined]
    assert len(line.splitlines()) == 1
    bash = ["bash", "--norc", "-c", line]
    got = subprocess.run(
        bash, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    ).stdout
    assert got == b"".join(os.fsencode(word) + b"\0" for word in [*words, "end"])
