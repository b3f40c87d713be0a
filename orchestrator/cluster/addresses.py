"""Validates `--address`: the address of an existing Ray cluster."""

from __future__ import annotations

import re

from trainables.errors import ConfigurationError

DASHBOARD = ("http://", "https://")

OF_A_HEAD = re.compile(r"[^/\s:]+:[0-9]+|\[[0-9A-Fa-f:]+\]:[0-9]+")


def check(address: str) -> None:
    """Raises ConfigurationError unless this is the address of a cluster."""
    known = address == "auto" or address.startswith(("ray://", *DASHBOARD)) or OF_A_HEAD.fullmatch(address)
    if not known:
        raise ConfigurationError(
            "--address must be auto, ray://HOST:10001 (a cluster's client port) or http://HOST:8265 (its "
            f"dashboard), not {address!r}."
        )


def check_of_driver(address: str) -> None:
    """As `check`, but also refuses a dashboard, which cannot run trials for a local driver."""
    check(address)
    if address.startswith(DASHBOARD):
        raise ConfigurationError(
            f"--address {address} is a dashboard, which takes jobs: submit one with `calibsweep launch`. "
            "To run the driver here, give auto or ray://HOST:10001."
        )
