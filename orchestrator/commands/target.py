"""Options and errors of the commands for a sweep on a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.commands.options import (
    address_option,
    cluster_option,
    set_option,
    store_option,
    sweep_argument,
)

EXAMPLE = "calibsweep {} mukhoti2020 --store s3://bucket/results --cluster cluster.yaml"


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds options for a sweep, its store and its cluster."""
    for option in (set_option, address_option, cluster_option, store_option, sweep_argument):
        command = option(command)
    return command


@contextlib.contextmanager
def way_out(given: Mapping[str, Any]) -> Iterator[None]:
    """Adds the next command to an error about the job.

    Args:
        given: Values of the current command's parameters, by name.
    """
    from orchestrator.command_line.copied import typed
    from orchestrator.use_cases.launch import NoJobError, UnderWayError
    from trainables.errors import ConfigurationError

    try:
        yield
    except UnderWayError as error:
        raise ConfigurationError(f"{error}: {typed('status', given)}") from error
    except NoJobError as error:
        raise ConfigurationError(f"{error}: {typed('launch', given)}") from error
