"""Writes the sweep file of a search's best: several seeds of it, beside its baselines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweeps.search import Search
from trainables.trial import Selection

MARK = "# Written by calibsweep search."
"""First line of such a file: only files with it are replaced."""


class _Dumper(yaml.SafeDumper):
    """Writes each value in full, however often it occurs."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def sweep_text(
    search: Search, best: Sequence[tuple[str, Mapping[str, Any], str]], source: Path, path: Path
) -> str:
    """The text of the sweep file.

    Args:
        best: Loss, values and calibrator of each of the best.
        source: The search file.
        path: Where the text will be written: plug-ins are named relative to it.
    """
    file = search.file
    cell = {"datasets": [_plain(file.dataset)], "models": [_plain(file.model)]}
    blocks = []
    for loss, values, _ in best:
        params, training = search.settings(loss, values)
        block = {**cell, "losses": [_plain((loss, params))]}
        blocks.append({**block, "training": _values(training)} if training else block)
    if baselines := [_plain(each) for of in file.baselines for each in of]:
        block = {**cell, "losses": baselines}
        blocks.append({**block, "training": _values(search.training)} if search.training else block)
    plugins = [os.path.relpath(source.parent / each, path.parent) for each in file.plugins]
    content = {
        "name": f"{file.name}-best",
        "description": f"The best of the search {file.name}, beside its baselines.",
        **({"plugins": plugins} if plugins else {}),
        "protocol": file.protocol,
        "seeds": list(file.final_seeds),
        "blocks": blocks,
        **({"run": run} if (run := file.run.model_dump(exclude_unset=True, exclude={"watch"})) else {}),
    }
    dumped = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )
    note = f"# The search used seed {file.seed}. It chose by scores on the validation part alone.\n"
    for calibrator in dict.fromkeys(calibrator for *_, calibrator in best if calibrator):
        note += f"# Its tables: calibsweep tables {path.name} --calibrator {calibrator}\n"
    return f"{MARK}\n{note}{dumped}"


def _plain(selection: Selection) -> Any:
    if isinstance(selection, str):
        return selection
    name, params = selection
    return {name: _values(params)} if params else name


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _listed(value) for name, value in values.items()}


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value
