"""The Python interface: each command as a function that takes and returns data. See docs/python.md.

Nothing here prints. Each function returns the frozen dataclass that the command's `--json` prints. A function
and its dependencies are imported on first access.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from orchestrator.driver import own_code

if TYPE_CHECKING:
    from orchestrator.use_cases.check_loss import check_loss as check_loss
    from orchestrator.use_cases.compact import compact as compact
    from orchestrator.use_cases.compare import compare as compare
    from orchestrator.use_cases.contents import contents as contents
    from orchestrator.use_cases.data import check_data as check_data
    from orchestrator.use_cases.data import prepare as prepare
    from orchestrator.use_cases.export import export_calarena as export_calarena
    from orchestrator.use_cases.figures import figures as figures
    from orchestrator.use_cases.gaps import gaps as gaps
    from orchestrator.use_cases.listing import listing as listing
    from orchestrator.use_cases.merge import merge as merge
    from orchestrator.use_cases.new import new as new
    from orchestrator.use_cases.plan import plan as plan
    from orchestrator.use_cases.plugins import add_plugins as add_plugins
    from orchestrator.use_cases.report import report as report
    from orchestrator.use_cases.rescore import rescore as rescore
    from orchestrator.use_cases.run import run as run
    from orchestrator.use_cases.score import score as score
    from orchestrator.use_cases.search import search as search
    from orchestrator.use_cases.show import show as show
    from orchestrator.use_cases.status import status as status
    from orchestrator.use_cases.tables import tables as tables
    from orchestrator.use_cases.trial import trial as trial
    from orchestrator.use_cases.verify import verify as verify
    from trainables.errors import CalibsweepError as CalibsweepError

_MODULES = {
    "plan": "orchestrator.use_cases.plan",
    "run": "orchestrator.use_cases.run",
    "search": "orchestrator.use_cases.search",
    "status": "orchestrator.use_cases.status",
    "report": "orchestrator.use_cases.report",
    "tables": "orchestrator.use_cases.tables",
    "gaps": "orchestrator.use_cases.gaps",
    "compare": "orchestrator.use_cases.compare",
    "figures": "orchestrator.use_cases.figures",
    "export_calarena": "orchestrator.use_cases.export",
    "score": "orchestrator.use_cases.score",
    "show": "orchestrator.use_cases.show",
    "contents": "orchestrator.use_cases.contents",
    "merge": "orchestrator.use_cases.merge",
    "verify": "orchestrator.use_cases.verify",
    "rescore": "orchestrator.use_cases.rescore",
    "compact": "orchestrator.use_cases.compact",
    "listing": "orchestrator.use_cases.listing",
    "prepare": "orchestrator.use_cases.data",
    "check_data": "orchestrator.use_cases.data",
    "new": "orchestrator.use_cases.new",
    "trial": "orchestrator.use_cases.trial",
    "check_loss": "orchestrator.use_cases.check_loss",
    "add_plugins": "orchestrator.use_cases.plugins",
    "CalibsweepError": "trainables.errors",
}

__all__ = list(_MODULES)

own_code.check()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
