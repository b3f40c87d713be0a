"""One of several workers as a process of its own: `python several_workers.py FOLDER RANK SIZE`.

Trains every case and leaves what came of it in FOLDER; imported, it is what a test compares that with.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainables.datasets.base import Dataset
from trainables.resolve import resolve
from trainables.training.process_group import DistributedGroup, ProcessGroup, connect, listen
from trainables.training.run import TrialRun, load_dataset
from trainables.trial import Trial

CPU = torch.device("cpu")
DIGITS = ("digits", {"training_samples": 75, "validation_samples": 60})
TRAINING = {"epochs": 4, "batch_size": 32, "milestones": [2], "learning_rate": 0.05}

# Batches of 32, 32 and 11 samples; of 37, 37 and 1, which is fewer than there are workers.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cross_entropy": ("small_cnn", "cross_entropy", {}),
    "mmce": ("small_cnn", "mmce", {}),
    "adafocal": ("small_cnn", "adafocal", {}),
    "no normalisation": ("mlp", "flsd_53", {}),
    "mean": ("small_cnn", "mmce", {"loss_reduction": "mean"}),
    "tiny last batch": ("small_cnn", "adafocal", {"batch_size": 37}),
    "best epoch": ("small_cnn", "cross_entropy", {"reported_epoch": "best_validation_accuracy"}),
    "mixup and SAM": ("small_cnn", "mmce", {"mixup": 0.5, "sam": 0.1, "ema_decay": 0.7, "warmup_epochs": 1}),
    "SWA": ("small_cnn", "cross_entropy", {"swa_start": 0.4, "batch_size": 37}),
    "features": ("small_cnn", "cross_entropy", {}),
    "augmented": ("small_cnn", "cross_entropy", {"gradient_clip_norm": None, "learning_rate": 0.001}),
}


class ShakyDigits(Dataset):
    """Digits, each times a factor that is drawn for the batch."""

    def __init__(self, plain: Dataset):
        super().__init__(plain.train, plain.validation, plain.test, 10, plain.input_shape)

    def augment(self, inputs: Any, generator: torch.Generator) -> Any:
        return inputs * (1 + 0.5 * torch.randn(len(inputs), 1, 1, 1, generator=generator))


def trial_of(case: str) -> Trial:
    model, loss, training = CASES[case]
    sampler = ("feature_smote", {"neighbours": 2, "features_from": 0.5}) if case == "features" else "natural"
    return resolve(DIGITS, model, loss, 3, training={**TRAINING, **training}, sampler=sampler)


def trained(case: str, group: ProcessGroup) -> dict[str, Any]:
    """What is left of a case after all its epochs."""
    trial = trial_of(case)
    dataset = load_dataset(trial, None, CPU)
    if case == "augmented":
        dataset = ShakyDigits(dataset)
    run = TrialRun.start(trial, dataset, CPU, group=group)
    while not run.done:
        run.advance()
    result = run.result()
    return {
        "model": run.model.state_dict(),
        "loss": run.trainer.loss.state_dict(),
        "epochs": result.epochs,
        "reported_epoch": result.reported_epoch,
        "test": result.test.logits,
        "validation": result.validation.logits,
        "labels": result.validation.labels,
        "peak": result.measurements["peak_memory_gib"],
    }


class Layers(nn.Module):
    """Batch normalisation of every kind, dropout, and a layer that some samples' gradients pass by."""

    def __init__(self) -> None:
        super().__init__()
        self.images = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, momentum=None), nn.ReLU(), nn.BatchNorm2d(4, affine=False)
        )
        self.flat = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(144, eps=0.1), nn.Dropout(0.3))
        self.last = nn.Linear(144, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(self.flat(self.images(images)))
        return logits


def layered(precision: torch.dtype, group: ProcessGroup) -> dict[str, Any]:
    """Outputs, gradients and running statistics of three batches, as the state of a network and more."""
    torch.manual_seed(0)
    model = group.synchronised(Layers())
    dataset = load_dataset(trial_of("cross_entropy"), None, CPU)
    outputs = []
    for indices in torch.split(torch.arange(75), 25):
        inputs, labels = group.batch(dataset, indices, torch.Generator())
        with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
            logits = model(inputs)
        logits, labels = group.gather_batch(logits, labels)
        nn.functional.cross_entropy(logits.float(), labels).backward()
        outputs.append(logits.detach().float())
    group.all_reduce_gradients(model.parameters())
    gradients = {name: p.grad for name, p in model.named_parameters()}
    model.eval()
    with torch.no_grad():
        outputs.append(model(dataset.test.inputs[:5]))
    return {"outputs": outputs, "gradients": gradients, "state": model.state_dict()}


def everything(group: ProcessGroup) -> dict[str, Any]:
    torch.set_num_threads(1)
    message: dict[str, Any] = {case: trained(case, group) for case in CASES}
    for precision in (torch.float32, torch.bfloat16):
        message[str(precision)] = layered(precision, group)
    return message


def main(folder: Path, rank: int, size: int) -> None:
    place = folder / "port"
    if rank == 0:
        store = listen("127.0.0.1", size)
        place.with_suffix(".new").write_text(str(store.port))
        place.with_suffix(".new").rename(place)
    else:
        while not place.exists():
            time.sleep(0.02)
        store = connect("127.0.0.1", int(place.read_text()), size)
    group = DistributedGroup(store, rank, size, CPU)
    torch.save(everything(group), folder / f"{rank}.pt")
    group.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
