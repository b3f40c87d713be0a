"""The CNN for documents: the released size, and padding that is computed once is padding computed in full."""

from __future__ import annotations

import pytest
import torch

from trainables import models
from trainables.datasets.word_vectors import WordVectors
from trainables.models.text_cnn import TextCNN
from trainables.training.curves import last_linear


def model_of(dimensions: int, classes: int = 20) -> TextCNN:
    torch.manual_seed(0)
    vectors = torch.randn(50, dimensions)
    vectors[0] = 0
    known = torch.ones(50, dtype=torch.bool)
    model = models.build("text_cnn", classes, word_vectors=WordVectors(vectors, known))
    assert isinstance(model, TextCNN)
    return model


def test_size_is_that_of_the_released_network() -> None:
    model = model_of(100)
    assert sum(parameter.numel() for parameter in model.parameters()) == 247_316
    assert last_linear(model) is model.classifier
    # Word vectors are not trained, and no part of a checkpoint.
    assert not any("table" in name for name in model.state_dict())
    assert model(torch.ones(2, 40, dtype=torch.int32)).shape == (2, 20)


@pytest.mark.parametrize("length", [25, 60, 100])
def test_the_least_padding_gives_the_same_logits_and_gradients(length: int) -> None:
    model = model_of(6).double().eval()
    generator = torch.Generator().manual_seed(1)
    words = torch.randint(1, 50, (70, length), generator=generator)
    lengths = torch.randint(0, length + 1, (70, 1), generator=generator)
    lengths[:3] = torch.tensor([[0], [1], [length]])
    words[torch.arange(length) < length - lengths] = 0
    for short, whole in zip(*(gradients(model, words, way) for way in ("_by_length", "maxima")), strict=True):
        torch.testing.assert_close(short, whole, rtol=1e-10, atol=1e-12)


def gradients(model: TextCNN, words: torch.Tensor, way: str) -> list[torch.Tensor]:
    model.zero_grad()
    maxima = getattr(model, way)(words)
    (maxima * torch.linspace(-1, 1, maxima.numel()).view_as(maxima)).sum().backward()
    return [
        maxima.detach(),
        *(p.grad.clone() for p in model.convolutions.parameters() if p.grad is not None),
    ]
