"""Prints the findings of `store verify`."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console

from orchestrator.use_cases.verify import Verified
from results.wording import counted


def print_verified(verified: Verified, console: Console) -> None:
    """Prints the findings by kind, each with the next run's action, and the number of rescored trials."""
    for kind, alike in groupby(verified.findings, key=lambda finding: finding.kind):
        findings = list(alike)
        style = "bad" if kind.wrong else "warning"
        harmless = "" if kind.wrong else " (nothing is wrong)"
        console.print(f"{len(findings)} {kind.title}{harmless}:", style=style, highlight=False)
        for finding in findings:
            detail = f": {finding.detail}" if finding.detail else ""
            console.print(f"  {finding.path}{detail}", style=style, highlight=False, soft_wrap=True)
        console.print(f"  {kind.follows}", style="quiet", highlight=False, soft_wrap=True)
    if verified.not_recorded:
        line = "Cannot record these findings, and the next run may miss some"
        console.print(f"{line}: {verified.not_recorded}", style="warning", highlight=False, soft_wrap=True)
    further = verified.further_evaluations
    more = f", and {counted(further, 'further evaluation')}" * bool(further)
    newer = f"; {counted(verified.newer, 'row')} of a newer calibsweep not inspected" * bool(verified.newer)
    console.print(
        f"{counted(verified.trials, 'trial')} scored again from their logits{more}, "
        f"{verified.wrong} differ or are damaged{newer}.",
        highlight=False,
    )
