"""Image files decoded in threads."""

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
"""Decoding releases Python's lock, so threads are enough."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def decode(path: Path) -> Image.Image:
    """The image of a file in colour, grey ones with three equal channels.

    Raises:
        DataError: A file that is missing, cut off, or no image.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(f"{path} is missing.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be decoded ({error}): replace it with the published file.") from error


def pixels(image: Image.Image) -> Tensor:
    """uint8 [3, H, W] of a colour image."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`function` of each item, in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def decode_all(paths: Sequence[Path], side: int) -> Tensor:
    """uint8 [N, 3, side, side] of square image files.

    Raises:
        DataError: A file that is missing, cut off, no image, or not of this size.
    """
    images = np.empty((len(paths), 3, side, side), dtype=np.uint8)

    def fill(numbers: range) -> None:
        for number in numbers:
            image = decode(paths[number])
            if image.size != (side, side):
                width, height = image.size
                raise DataError(f"{paths[number]} has {width} x {height} pixels instead of {side} x {side}.")
            images[number] = np.asarray(image).transpose(2, 0, 1)

    # Small images are decoded faster than threads are told of them one by one.
    in_threads(fill, [range(len(paths))[first : first + 256] for first in range(0, len(paths), 256)])
    return torch.from_numpy(images)
