"""How many images a second training takes, against the straightforward loop.

    python benchmarks/training.py [--model resnet50] [--precision bfloat16] [--compile] [--device cuda]

The straightforward loop is what is usually written, and what the code released with Mukhoti et al. (2020)
amounts to: torchvision's transforms image by image in a DataLoader with workers, float32, contiguous tensors,
FLSD-53 with a loop over the samples, clipping, SGD. Ours is `TrialRun.train_epoch`, with the same network,
batch size, clipping and loss. Both train on the same made-up bytes of CIFAR-10's shape in this process, in
turn, after an epoch each that does not count. Printed: images a second, their ratio, on a known GPU the share
of the hardware's floor, and the peak memory.

Without a GPU the network is small and float32, so that what is compared is everything around it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils import data
from torchvision import transforms

from trainables import models
from trainables.datasets.images import NORMALISATIONS, ImageDataset, ImageSplit
from trainables.execution import use_ieee_float32
from trainables.training import TrialRun, default_device
from trainables.trial import resolve

EPOCH = 45_000
FLOOR_SECONDS = {"resnet50": 1.5, "resnet110": 2.3, "densenet121": 2.1, "wide_resnet_26_10": 1.4}
"""Of an epoch of 45,000 images in bfloat16 on an H100: memory traffic, or for the last arithmetic."""

CLAIMED_ON_GPU, CLAIMED_ON_CPU = 5.0, 1.0
WORKERS = 2


class Pictures(data.Dataset[tuple[Tensor, int]]):
    """Images as the usual data set gives them: one at a time, through the usual transforms."""

    def __init__(self, images: Tensor, labels: Tensor):
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
    """FLSD-53, each sample's gamma found on the host."""
    log_probability = torch.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
    gammas = [5.0 if probability.item() < 0.2 else 3.0 for probability in log_probability.exp()]
    gamma = torch.tensor(gammas, device=logits.device)
    return -((1 - log_probability.exp()) ** gamma * log_probability).sum()


def straightforward(
    model: nn.Module, images: Tensor, labels: Tensor, batch_size: int, device: torch.device
) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4)
    loader = data.DataLoader(
        Pictures(images, labels),
        batch_size,
        shuffle=True,
        num_workers=WORKERS,
        pin_memory=device.type == "cuda",
        persistent_workers=True,
    )

    def epoch() -> None:
        # What torch allows by itself, and ours does not where it promises float32.
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


def seconds(epoch: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="resnet50" if gpu else "small_cnn")
    parser.add_argument("--device", default=str(default_device()))
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="bfloat16" if gpu else "float32"
    )
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--images", type=int, default=EPOCH if gpu else 10_240)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)

    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (arguments.images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (arguments.images,), generator=generator)
    part = ImageSplit(images, labels, torch.arange(arguments.images), NORMALISATIONS["cifar10"])
    settings = {"precision": arguments.precision, "compile": arguments.compile, "batch_size": arguments.batch}
    trial = resolve("cifar10", arguments.model, "flsd_53", 0, training=settings)
    dataset = ImageDataset(part, part.first(10), part.first(10), num_classes=10).to(device)
    run = TrialRun(trial, dataset, device)
    network = models.build(arguments.model, 10, input_shape=(3, 32, 32)).to(device)
    epochs = {
        "straightforward loop": straightforward(network, images, labels, arguments.batch, device),
        "calibsweep": run.train_epoch,
    }

    times: dict[str, list[float]] = {name: [] for name in epochs}
    peaks = dict.fromkeys(epochs, 0.0)
    for _ in range(1 + arguments.repeats):
        for name, epoch in epochs.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            times[name].append(seconds(epoch, device))
            if device.type == "cuda":
                peaks[name] = torch.cuda.max_memory_allocated(device) / 2**30
    hardware = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    how = f"{arguments.precision}{', compiled' if arguments.compile else ''}"
    print(f"torch {torch.__version__}, {hardware}, {arguments.model}, batch {arguments.batch}, ours {how}")
    rates = {name: arguments.images / statistics.median(each[1:]) for name, each in times.items()}
    for name, rate in rates.items():
        peak = f", peak memory {peaks[name]:.2f} GiB" if device.type == "cuda" else ""
        print(f"{name:>20}  {rate:10,.0f} images/s{peak}")
    if device.type == "cpu":
        peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{'peak memory of both':>20}  {peak_gib:10.2f} GiB")
    ratio = rates["calibsweep"] / rates["straightforward loop"]
    claimed = CLAIMED_ON_GPU if device.type == "cuda" else CLAIMED_ON_CPU
    print(f"{'ratio':>20}  {ratio:10.2f} (claimed: at least {claimed:g})")
    floor = FLOOR_SECONDS.get(arguments.model)
    if device.type == "cuda" and "H100" in hardware and arguments.precision == "bfloat16" and floor:
        print(f"{'share of the floor':>20}  {rates['calibsweep'] * floor / EPOCH:10.2f}")


if __name__ == "__main__":
    main()
