"""A Ray of our own, without what it would start and nobody here asks for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from unittest import mock


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """While this is open, `ray.init` starts no dashboard, autoscaler or log monitor, and a smaller agent.

    Together they take as long to start as the rest of Ray, which has no public way to leave them out: its
    `include_dashboard=False` starts the dashboard's process all the same, and waits for it.
    """
    from ray._private import parameter, services, utils

    with contextlib.ExitStack() as stack:
        for target, name, replacement in (
            (services, "start_api_server", lambda *_, **__: (None, None)),
            # With this the agent of each node leaves out what reports to a dashboard.
            (utils, "get_dashboard_dependency_error", lambda: ImportError("no dashboard is wanted")),
            (
                parameter,
                "RayParams",
                functools.partial(parameter.RayParams, no_monitor=True, include_log_monitor=False),  # type: ignore[arg-type]
            ),
        ):
            stack.enter_context(mock.patch.object(target, name, replacement))
        yield
