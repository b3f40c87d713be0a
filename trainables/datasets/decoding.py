"""Decodes image files in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainables.errors import DataError

THREADS = min(16, os.cpu_count() or 1)
"""Decoding releases the GIL, so threads suffice."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def decode(path: Path) -> Image.Image:
    """Reads an image file as RGB. Grey images get three equal channels.

    Raises:
        DataError: A file is missing, truncated, or not an image.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(f"{path} is missing.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be decoded ({error}): replace it with the published file.") from error


def pixels(image: Image.Image) -> Tensor:
    """The pixels of an RGB image, uint8 [3, H, W]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Applies `function` to each item in threads; the results are in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def decode_all(paths: Sequence[Path], side: int) -> Tensor:
    """Decodes square image files to uint8 [N, 3, side, side].

    Raises:
        DataError: A file is missing, truncated, not an image, or has another size.
    """
    images = np.empty((len(paths), 3, side, side), dtype=np.uint8)

    def fill(numbers: range) -> None:
        for number in numbers:
            image = decode(paths[number])
            if image.size != (side, side):
                width, height = image.size
                raise DataError(f"{paths[number]} has {width} x {height} pixels instead of {side} x {side}.")
            images[number] = np.asarray(image).transpose(2, 0, 1)

    # In chunks, because dispatching single small images takes longer than decoding them.
    in_threads(fill, [range(len(paths))[first : first + 256] for first in range(0, len(paths), 256)])
    return torch.from_numpy(images)
