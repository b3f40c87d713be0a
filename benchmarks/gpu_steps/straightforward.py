"""The straightforward training loop, and random pictures to train on.

The loop is equivalent to the code released with Mukhoti et al. (2020): torchvision's transforms image by
image in a DataLoader with workers, float32, contiguous tensors, FLSD-53 with a loop over the samples,
clipping, SGD.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils import data

from trainables.datasets.images import NORMALISATIONS, ImageDataset, ImageSplit
from trainables.training.execution import use_ieee_float32

CLASSES = 10
LOSS = "flsd_53"
MOST_WORKERS = 16


def made_up_pictures(number: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random images of CIFAR-10's shape, uint8 [N, 3, 32, 32], and labels, int64 [N]."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (number, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.randint(0, CLASSES, (number,), generator=generator)


def dataset_of(images: Tensor, labels: Tensor, held_out: int = CLASSES) -> ImageDataset:
    """A data set with all of these for training, and the first `held_out` for validation and for test."""
    part = ImageSplit(images, labels, torch.arange(len(labels)), NORMALISATIONS["cifar10"])
    return ImageDataset(part, part.first(held_out), part.first(held_out), CLASSES)


class Pictures(data.Dataset[tuple[Tensor, int]]):
    """The usual data set: one image at a time, through the usual transforms."""

    def __init__(self, images: Tensor, labels: Tensor):
        # Nothing else here needs torchvision, which may not match torch.
        from torchvision import transforms

        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = labels.tolist()
        mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def focal_loss_by_sample(logits: Tensor, labels: Tensor) -> Tensor:
    """FLSD-53, with each sample's gamma computed on the host."""
    log_probability = torch.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
    gammas = [5.0 if probability.item() < 0.2 else 3.0 for probability in log_probability.exp()]
    gamma = torch.tensor(gammas, device=logits.device)
    return -((1 - log_probability.exp()) ** gamma * log_probability).sum()


def loader_workers() -> int:
    """Number of processes that load pictures: one per core, up to a limit."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


def straightforward(
    model: nn.Module, images: Tensor, labels: Tensor, batch_size: int, device: torch.device
) -> Callable[[], None]:
    """Returns a function that trains one epoch in the usual way."""
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    loader = data.DataLoader(
        Pictures(images, labels),
        batch_size,
        shuffle=True,
        num_workers=loader_workers(),
        pin_memory=device.type == "cuda",
        persistent_workers=True,
    )

    def epoch() -> None:
        # torch's default. Ours disallows it, since it promises float32.
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        model.train()
        total = 0.0
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            optimizer.zero_grad()
            loss = focal_loss_by_sample(model(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2)
            optimizer.step()
            total += loss.item()
        use_ieee_float32()

    return epoch
