"""Whether torch and torchvision, which are built for each other, are of one build here."""

from __future__ import annotations

import importlib

from trainables.errors import ConfigurationError


def check_builds() -> None:
    """Raises ConfigurationError where torchvision cannot be imported beside this torch."""
    import torch

    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError) as error:
        # 'operator torchvision::nms does not exist', mostly: its compiled part did not load.
        what = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"torchvision does not fit beside torch {torch.__version__} ({what}): "
            "install both anew, of one build."
        ) from error
