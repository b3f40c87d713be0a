"""The global-pooling CNN for documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.registry import register

if TYPE_CHECKING:
    from trainables.datasets.word_vectors import WordVectors

PADDING = 0
DOCUMENTS = 16
"""Documents of similar length per CPU batch."""


@register("text_cnn", spec={"input": "document"})
class TextCNN(nn.Module):
    """Three convolutions over the words of a document, global max-pooling, and two linear layers.

    Lin et al., 'Network in Network' (ICLR 2014), for global pooling. As in the released code of Mukhoti et
    al. (NeurIPS 2020): windows of 5 words and 128 channels without padding, and max-pooling over 5 places
    with stride 1 after the first two convolutions. Word vectors are not trained. With 100 dimensions and 20
    classes it has 247,316 parameters.

    Args:
        num_classes: K, the width of the logits [N, K].
        word_vectors: The vector of each word.
        channels: Channels of the convolutions, and width of the hidden layer.
        window: Width of the convolutions and of the pooling, in words.
        dropout: Dropout probability of the hidden layer.
    """

    table: Tensor

    def __init__(
        self,
        num_classes: int,
        word_vectors: WordVectors,
        channels: int = 128,
        window: int = 5,
        dropout: float = 0.3,
    ):
        super().__init__()
        # Not part of checkpoints: it is rebuilt from the data and the seed.
        self.register_buffer("table", word_vectors.initial(), persistent=False)
        self.window = window
        widths = [word_vectors.dimensions, channels, channels]
        self.convolutions = nn.ModuleList(nn.Conv1d(width, channels, window) for width in widths)
        self.hidden = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, words: Tensor) -> Tensor:
        """Logits [N, K] for word ids [N, L], int32 or int64, padded at the front with 0."""
        # On a GPU, reading the lengths would synchronise, and padding costs little.
        maxima = self.maxima(words) if words.is_cuda else self._by_length(words)
        hidden = functional.relu(self.hidden(maxima))
        logits: Tensor = self.classifier(self.dropout(hidden))
        return logits

    def maxima(self, words: Tensor) -> Tensor:
        """The maximum of each channel over each document, [N, channels]."""
        first, *others = self.convolutions
        features = functional.relu(first(functional.embedding(words, self.table).transpose(1, 2)))
        for convolution in others:
            pooled = functional.max_pool1d(features, self.window, stride=1)
            features = functional.relu(convolution(pooled))
        return features.amax(dim=2)

    def _by_length(self, words: Tensor) -> Tensor:
        """The same result, with most of the padding removed: one position that sees only padding suffices."""
        seen_at_once = 1 + (2 * len(self.convolutions) - 1) * (self.window - 1)
        lengths = (words != PADDING).sum(dim=1)
        order = lengths.argsort(stable=True)
        parts = []
        for chosen in torch.split(order, DOCUMENTS):
            kept = min(words.shape[1], int(lengths[chosen[-1]]) + seen_at_once)
            parts.append(self.maxima(words[chosen, words.shape[1] - kept :]))
        return torch.cat(parts)[order.argsort()]
