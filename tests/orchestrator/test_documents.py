"""Commands in the documents: each is valid, and those of tutorials and how-to pages run in their order."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
from click.testing import CliRunner
from mkdocs.commands.build import build
from mkdocs.config import load_config

from orchestrator import api
from orchestrator.cli import app
from orchestrator.command_line.base import NAME
from orchestrator.command_line.base import Command as BaseCommand
from trainables.registry.plugins import PLUGINS

from .conftest import REPOSITORY, Command

DOCUMENTS = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
RUN = [path for path in DOCUMENTS if path.parent.name in ("tutorials", "howto")]
FIRST = {"resume": "tutorials/benchmark.md"}
"""Pages that go on with the files of another one. Its commands need not run twice."""

FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```', re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: language, title and text."""

    language: str
    title: str
    text: str


def blocks(path: Path) -> list[Block]:
    return [Block(*found.groups(default="")) for found in FENCE.finditer(path.read_text(encoding="utf-8"))]


def shell_lines(path: Path) -> Iterator[str]:
    for block in blocks(path):
        if block.language in ("", "sh", "shell"):
            yield from (line for line in block.text.splitlines() if line and not line.startswith("#"))


def words(line: str) -> list[str]:
    """The words of a command after its name, up to a redirection or pipe."""
    split = shlex.split(line, comments=True)
    ends = [place for place, word in enumerate(split) if word in (">", "|", "&&")]
    return split[1 : min(ends, default=len(split))]


def parse(arguments: list[str]) -> None:
    """Reads options and values as the command does, without running it."""
    found: click.Command = app
    while isinstance(found, click.Group):
        if not arguments or arguments[0].startswith("-"):
            option = arguments[0].partition("=")[0] if arguments else ""
            assert option == "-h" or any(option in param.opts for param in found.params), option
            return
        assert arguments[0] in found.commands, arguments
        found, arguments = found.commands[arguments[0]], arguments[1:]
    given, left, _ = found.make_parser(click.Context(found, **found.context_settings)).parse_args(
        list(arguments)
    )
    assert not left, left
    for param in found.params:
        value = given.get(param.name or "")
        if isinstance(value, str) and not isinstance(param.type, click.Path) and "PLACE" not in value:
            param.type_cast_value(click.Context(found, **found.context_settings), value)
        if isinstance(param, click.Argument) and param.required:
            assert value, f"{found.name} needs {param.name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_each_command_is_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    typed = [line for line in shell_lines(path) if line.startswith(f"{NAME} ")]
    # In the text too: `calibsweep tables --gaps`.
    typed += [code.replace("\n", " ") for code in re.findall(rf"(?<!`)`({NAME} [a-z-][^`]*)`(?!`)", text)]
    for line in typed:
        arguments = words(line)
        if arguments[-1] in ("...", "-h"):
            arguments = arguments[:1]
        try:
            parse(arguments)
        except click.UsageError as error:
            # In the text a command may lack its arguments.
            assert "Missing" in error.format_message(), f"{line}: {error.format_message()}"


def examples(group: click.Group) -> Iterator[str]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from examples(command)
        else:
            assert isinstance(command, BaseCommand)
            yield command.example


@pytest.mark.parametrize("line", [*examples(app)])
def test_the_example_of_each_command_is_valid(line: str) -> None:
    parse(words(line))


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in RUN if str(path.relative_to(REPOSITORY / "docs")) not in FIRST.values()],
    ids=lambda path: path.stem,
)
def test_the_commands_of_a_page_work_in_their_order(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").symlink_to(REPOSITORY / "results")
    monkeypatch.chdir(tmp_path)
    # Plug-ins of another page are unknown to this one.
    monkeypatch.setattr(PLUGINS, "_files", ())
    ran = 0
    before = [REPOSITORY / "docs" / FIRST[path.stem]] if path.stem in FIRST else []
    for block in [block for page in (*before, path) for block in blocks(page)]:
        if block.title and block.language in ("python", "yaml"):
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        elif block.language in ("sh", "shell") and not block.title:
            for line in block.text.splitlines():
                if line.startswith(f"{NAME} run "):
                    # Ray wants a process of its own.
                    command = [sys.executable, "-m", "orchestrator", *words(line)]
                    environment = Command().environment()
                    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
                    assert finished.returncode == 0, f"{line}\n{finished.stdout}{finished.stderr}"
                elif line.startswith(f"{NAME} "):
                    done = CliRunner().invoke(app, words(line), catch_exceptions=False)
                    assert done.exit_code == 0, f"{line}\n{done.output}"
                ran += 1
    assert ran >= 2


def test_the_site_has_each_function() -> None:
    page = (REPOSITORY / "docs/reference/python.md").read_text(encoding="utf-8")
    assert [name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", page, re.M)] == api.__all__


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    build(load_config("mkdocs.yml", site_dir=str(tmp_path), strict=True))
    page = (tmp_path / "reference/commands/index.html").read_text(encoding="utf-8")
    assert page.count("<h2") >= 20 and "tables --verify" not in page.partition("<h2")[0]


@pytest.mark.slow
def test_the_notebook_shows_the_numbers_that_it_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((REPOSITORY / "docs/own-logits.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        # IPython, which shows figures, is not among the dependencies.
        if cell["cell_type"] == "code" and "SVG" not in text:
            exec(text, names)
            shown += [output["data"]["text/plain"] for output in cell["outputs"]]
    recorded = pd.read_csv(io.StringIO("".join(shown[1])), sep=r"\s{2,}", engine="python")
    pd.testing.assert_frame_equal(recorded, names["table"], atol=0.01, rtol=0.1)
    assert [path.stem for path in names["scored"].figures] == ["reliability-logits", "temperature-logits"]
    assert all(path.exists() for path in names["scored"].figures)
