"""Checks that the installed torch and torchvision are compatible builds."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterable

from trainables.catalogue import MODELS
from trainables.errors import ConfigurationError
from trainables.trial import Component


def check_builds() -> None:
    """Raises ConfigurationError if torchvision cannot be imported with this torch."""
    import torch

    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError) as error:
        # Mostly 'operator torchvision::nms does not exist': its compiled part did not load.
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"torchvision {_version()} does not match torch {torch.__version__} ({reason}): "
            "reinstall both from one package index: pip install --force-reinstall torch torchvision."
        ) from error


def check_builds_for(models: Iterable[Component]) -> None:
    """Calls `check_builds` if one of these models needs torchvision."""
    if any(MODELS[model.name].spec.torchvision for model in models):
        check_builds()


def _version() -> str:
    try:
        return importlib.metadata.version("torchvision")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
