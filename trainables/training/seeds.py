"""Sources of randomness: one seed per purpose, derived from the inputs it may depend on.

Initialisation depends on (data set, model, seed); synthetic samples on (data set, seed); batch order,
augmentation and mixup on (data set, seed, epoch). None depends on the loss, so two losses with the same seed
form a matched pair: they start from the same weights and see the same batches.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch

from trainables.trial import Trial, canonical_json


def derive(purpose: str, *parts: object) -> int:
    """A seed in [0, 2**63) that depends only on the purpose and the parts."""
    digest = hashlib.sha256(canonical_json([purpose, *parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def initialisation(trial: Trial) -> int:
    return derive("initialisation", trial.dataset.identity(), trial.model.identity(), trial.seed)


def batch_order(trial: Trial, epoch: int) -> int:
    return derive("batch order", trial.dataset.identity(), trial.seed, epoch)


def synthetic_samples(trial: Trial) -> int:
    return derive("synthetic samples", trial.dataset.identity(), trial.seed)


def augmentation(trial: Trial, epoch: int) -> int:
    return derive("augmentation", trial.dataset.identity(), trial.seed, epoch)


def mixing(trial: Trial, epoch: int) -> int:
    return derive("mixup", trial.dataset.identity(), trial.seed, epoch)


def seed_everything(seed: int) -> None:
    """Sets every global generator that a model or a plug-in could draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy global generator is what plug-ins may use
    random.seed(seed)


def generator_states() -> dict[str, object]:
    """The state of every global generator, in types that `torch.load(weights_only=True)` accepts."""
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys).copy()), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
    }


def restore_generators(states: dict[str, object]) -> None:
    torch.set_rng_state(states["torch"])  # type: ignore[arg-type]
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])  # type: ignore[arg-type]
    name, keys, position, has_gauss, cached = states["numpy"]  # type: ignore[misc]
    np.random.set_state((name, keys.numpy(), position, has_gauss, cached))  # type: ignore[has-type]  # noqa: NPY002
    version, internal, gauss = states["python"]  # type: ignore[misc]
    random.setstate((version, tuple(internal), gauss))  # type: ignore[has-type]
