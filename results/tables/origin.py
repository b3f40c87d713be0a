"""The origin of a file of tables, at its end: its inputs, and the command that makes it again.

Each format has it in a comment of its own, of which a program that reads the format takes no notice: LaTeX
and CSV in lines that begin with '%' and '#', Markdown in a comment of HTML, HTML in a small footer, and JSON
as its member `made_from`.
"""

from __future__ import annotations

import datetime
import difflib
import html
import importlib.metadata
import itertools
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

from results.scoring.layer import Scorer
from results.scoring.scores import Score
from results.store.data_files import sha256
from results.store.place import redacted
from results.store.provenance import source_commit
from results.wording import counted
from trainables.errors import ConfigurationError
from trainables.texts import visible

if TYPE_CHECKING:
    import pandas as pd

SHORT = 8
"""Letters of a cell's digest: it only names a difference, which the whole digest proves."""

TITLE = "Made by `calibsweep tables`."


@dataclass(frozen=True)
class CellOrigin:
    """Attributes:
    name: 'digits / mlp / brier'.
    trials: Number of its finished trials.
    digest: SHA-256 of the keys and digests of their rows.
    """

    name: str
    trials: int
    digest: str


@dataclass(frozen=True)
class Origin:
    """Attributes:
    sweep: Name of the sweep; '' for all trials of the store.
    store: Its address.
    trials: Number of finished trials in the tables.
    inputs: SHA-256 over the digests of the cells in full, the planned trials, and `scorers`.
    cells: Each data set, model and loss, with the first letters of its digest.
    scorers: Metrics and calibrators of the derived scores, each with the digest of its code.
    date: Of making, in UTC.
    version, commit: Of calibsweep.
    command: Makes the file again.
    """

    sweep: str
    store: str
    trials: int
    inputs: str
    cells: tuple[CellOrigin, ...]
    scorers: tuple[str, ...]
    date: str
    version: str
    commit: str
    command: str

    def of_file(self, format: str, standalone: bool = False, output: str | None = None) -> Origin:
        """With the command for one format, or for a file of this name.

        Args:
            standalone: As of `rendering.render`.
        """
        form = ["--json"] if format == "json" else ["--format", format]
        options = ["--output", output] if output else form
        options += ["--standalone"] * (standalone and format == "latex")
        return replace(self, command=f"{self.command} {shlex.join(options)}")


def origin_of(
    store: str,
    sweep: str,
    evaluations: pd.DataFrame,
    expected: pd.DataFrame | None,
    scores: Iterable[Score],
    command: str,
) -> Origin:
    """The origin of tables.

    Args:
        evaluations: The rows behind them, from `Snapshot.evaluations()`, without derived scores.
        expected: One row per trial and evaluation of the sweep, from `expected_frame`.
        scores: The scores in the tables.
        command: Makes them again.
    """
    cells = _by_cell(evaluations)
    scorers = tuple(sorted({_scorer(score) for score in scores if _is_derived(evaluations, score)}))
    planned = [] if expected is None else expected["key"].tolist()
    whole = json.dumps([[cell.digest for cell in cells], sorted(planned), scorers])
    return Origin(
        sweep,
        redacted(store),
        int(evaluations["trial_key"].nunique()),
        sha256(whole.encode()),
        tuple(replace(cell, digest=cell.digest[:SHORT]) for cell in cells),
        scorers,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        importlib.metadata.version("calibsweep"),
        source_commit(),
        command,
    )


def _by_cell(evaluations: pd.DataFrame) -> list[CellOrigin]:
    rows: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    trials: dict[tuple[str, ...], set[str]] = defaultdict(set)
    names = ("dataset", "model", "loss", "trial_key", "key", "row_digest")
    for *cell, trial, key, digest in zip(*(evaluations[name].tolist() for name in names), strict=True):
        place = tuple(map(str, cell))
        rows[place].append((key, digest))
        trials[place].add(trial)
    return [
        CellOrigin(
            " / ".join(map(visible, place)), len(trials[place]), sha256(json.dumps(sorted(those)).encode())
        )
        for place, those in sorted(rows.items())
    ]


@dataclass(frozen=True)
class Change:
    """A cell whose trials are others than before.

    Attributes:
        name: As in `CellOrigin`.
        before, now: Number of trials.
    """

    name: str
    before: int
    now: int


def changes(before: Origin, now: Origin) -> list[Change]:
    """The cells with other trials, also those that are only in one of the origins."""
    then, there = ({cell.name: cell for cell in origin.cells} for origin in (before, now))
    return [
        Change(name, then[name].trials if name in then else 0, there[name].trials if name in there else 0)
        for name in {**then, **there}
        if then.get(name) != there.get(name)
    ]


def _is_derived(evaluations: pd.DataFrame, score: Score) -> bool:
    column = score.column
    return column not in evaluations or bool(evaluations[column].isna().any())


def _scorer(score: Score) -> str:
    return Scorer(score.metric, score.calibrator).folder.partition("/")[2]


LINES = {
    "sweep": "sweep",
    "store": "store",
    "trials": "trials",
    "inputs": "inputs",
    "scorers": "scorers",
    "date": "date",
    "version": "calibsweep",
    "commit": "commit",
    "command": "command",
}
"""The fields of an origin by the names of their lines, without the cells, which have a line each."""

_CELL = re.compile(r"cell ([0-9a-f]+): (.*), (\d+) trials?")


def _lines(origin: Origin) -> list[str]:
    values = {name: getattr(origin, name) for name in LINES}
    values["scorers"] = " ".join(origin.scorers)
    cells = [f"cell {cell.digest}: {cell.name}, {counted(cell.trials, 'trial')}" for cell in origin.cells]
    return [*cells, *(f"{LINES[name]}: {visible(str(value))}" for name, value in values.items() if value)]


def _read(lines: Iterable[str]) -> Origin:
    """Raises ValueError or KeyError for lines of another kind."""
    names = {line: name for name, line in LINES.items()}
    found: dict[str, Any] = dict.fromkeys(LINES, "")
    cells = []
    for line in filter(None, lines):
        if cell := _CELL.fullmatch(line):
            cells.append(CellOrigin(cell[2], int(cell[3]), cell[1]))
        else:
            name, _, found_value = line.partition(": ")
            found[names[name]] = found_value
    found |= {"trials": int(found["trials"]), "scorers": tuple(found["scorers"].split())}
    return Origin(cells=tuple(cells), **found)


def with_origin(text: str, format: str, origin: Origin) -> str:
    """A text of tables in one of `rendering.FORMATS`, with its origin."""
    lines = [TITLE, *_lines(origin)]
    if format == "html":
        return text.replace("</body>", f"{_footer(origin)}\n</body>")
    if format == "md":
        # The only text that ends a comment.
        inside = "\n".join(line.replace("-->", "--&gt;") for line in lines)
        return f"{text}\n<!--\n{inside}\n-->\n"
    mark = {"latex": "%", "csv": "#"}[format]
    return text + "".join(f"{mark} {line}\n" for line in lines)


class Rendered(Protocol):
    """Tables with their origin."""

    @property
    def made_from(self) -> Origin: ...

    def render(self, format: str, *, standalone: bool = False) -> str: ...


def document(made: Rendered, format: str, standalone: bool, output: str | None) -> str:
    """The text of a file of tables; arguments as of `Origin.of_file`."""
    made_from = made.made_from.of_file(format, standalone, output)
    return with_origin(made.render(format, standalone=standalone), format, made_from)


def _footer(origin: Origin) -> str:
    by = f"calibsweep {origin.version}" + (f" ({origin.commit[:12]})" if origin.commit else "")
    of = f" of {origin.sweep}" if origin.sweep else ""
    summary = f"{origin.date}, {by}: {counted(origin.trials, 'trial')}{of} in {visible(origin.store)}"
    lines = "\n".join(_lines(origin))
    return (
        f'<footer class="origin"><details><summary>{html.escape(summary)}</summary>\n'
        f"<pre>{html.escape(lines)}</pre></details></footer>"
    )


_FOOTER = re.compile(r'<footer class="origin">.*?<pre>(.*?)</pre></details></footer>\n?', re.DOTALL)
_COMMENT = re.compile(rf"\n<!--\n{re.escape(TITLE)}\n(.*?)\n-->\n?", re.DOTALL)
_LINES = re.compile(rf"^([%#]) {re.escape(TITLE)}\n((?:^\1 .*\n?)+)", re.MULTILINE)


def split(text: str) -> tuple[str, Origin]:
    """The text of a file without its origin, and the origin. JSON is left whole.

    Raises:
        ConfigurationError: It has none.
    """
    try:
        if text.lstrip().startswith("{"):
            return text, _of_json(json.loads(text)["made_from"])
        if found := _FOOTER.search(text):
            lines = html.unescape(found[1]).splitlines()
        elif found := _COMMENT.search(text):
            lines = found[1].replace("--&gt;", "-->").splitlines()
        elif found := _LINES.search(text):
            lines = [line[2:] for line in found[2].splitlines()]
        else:
            raise ValueError
        return text[: found.start()] + text[found.end() :], _read(lines)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            "it has no origin: it is not a file of `calibsweep tables`, or its end is changed."
        ) from error


def _of_json(made_from: Mapping[str, Any]) -> Origin:
    values = {field.name: made_from[field.name] for field in fields(Origin)}
    values |= {"cells": tuple(CellOrigin(**cell) for cell in values["cells"])}
    return Origin(**values | {"scorers": tuple(values["scorers"])})


@dataclass(frozen=True)
class Difference:
    """One place where a file differs from the tables of a store.

    Attributes:
        where: Line of the file, or the path in JSON, and the label of its row.
        file, store: The texts there; '' if one of them has nothing there.
    """

    where: str
    file: str
    store: str


IN_JSON = {"made_from", "store", "damaged", "loose_rows"}
"""Members of JSON that do not belong to the tables."""


def differences(file: str, store: str, format: str) -> list[Difference]:
    """Where two texts of tables differ: cells, or whole lines if there are more on one side."""
    if format == "json":
        return _in_json(json.loads(file), json.loads(store), "")
    found = []
    label = ""
    for number, theirs, ours in _aligned(file.splitlines(), store.splitlines()):
        if theirs is None or ours is None:
            found.append(Difference(f"line {number}", (theirs or "").strip(), (ours or "").strip()))
            continue
        both = _cells(theirs, format), _cells(ours, format)
        if format != "html" or "<th" in ours:
            label = _label(both[1], format)
        where = f"line {number}" + (f" ({label})" if label else "")
        if len(both[0]) == len(both[1]):
            pairs = [pair for pair in zip(*both, strict=True) if pair[0] != pair[1]]
            found += [Difference(where, *pair) for pair in pairs]
        elif theirs != ours:
            found.append(Difference(where, theirs.strip(), ours.strip()))
    return found


def _aligned(file: Sequence[str], store: Sequence[str]) -> Iterator[tuple[int, str | None, str | None]]:
    """Pairs of lines, with their number in the first text; None where one text lacks a line."""
    blocks: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(file), 0, len(store))]
    if len(file) != len(store):
        blocks = difflib.SequenceMatcher(None, file, store, autojunk=False).get_opcodes()
    for _, start, end, first, last in blocks:
        pairs = itertools.zip_longest(file[start:end], store[first:last])
        yield from ((number, *pair) for number, pair in enumerate(pairs, start + 1))


_BETWEEN = {"md": r" \| ", "latex": " & ", "csv": ",", "html": r"(?:<[^>]*>)+"}


def _cells(line: str, format: str) -> list[str]:
    """The texts of the cells of a line."""
    return [part.strip(" |\\") for part in re.split(_BETWEEN[format], line)]


def _label(cells: Sequence[str], format: str) -> str:
    """The first cells of a line, which say which it is; '' for prose."""
    if len(cells) < 2:
        return ""
    named = [text for text in cells if text][: {"csv": 7, "md": 2}.get(format, 1)]
    return " / ".join(text for text in named if re.match(r"[^\W\d]", text))


def _in_json(file: Any, store: Any, where: str) -> list[Difference]:
    if isinstance(file, dict) and isinstance(store, dict):
        names = [name for name in {**store, **file} if where or name not in IN_JSON]
        pairs = [(f"{where}.{name}".lstrip("."), file.get(name), store.get(name)) for name in names]
    elif isinstance(file, list) and isinstance(store, list) and len(file) == len(store):
        pairs = [(f"{where}[{place}]", *pair) for place, pair in enumerate(zip(file, store, strict=True))]
    else:
        return [] if file == store else [Difference(where, json.dumps(file), json.dumps(store))]
    return [each for path, one, other in pairs for each in _in_json(one, other, path)]
