"""BERT with a classification layer."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from trainables.errors import ConfigurationError, DataError
from trainables.registry import register

PADDING = 0


@register("bert", spec={"input": "wordpieces", "fine_tuned": True, "torchvision": True})
class Bert(nn.Module):
    """A pretrained BERT with dropout and a linear layer on its first output. All layers are trained.

    Devlin et al., 'BERT: Pre-training of Deep Bidirectional Transformers' (NAACL 2019), section 4.1; Hugging
    Face's BertForSequenceClassification.

    Args:
        num_classes: K, the width of the logits [N, K].
        pretrained: Folder of the pretrained network, whose word pieces the data set uses.

    Raises:
        ConfigurationError: The package transformers is missing.
        DataError: The weights cannot be read.
    """

    def __init__(self, num_classes: int, pretrained: Path):
        super().__init__()
        try:
            from transformers import BertForSequenceClassification, logging
        except ImportError as error:
            raise ConfigurationError(
                "BERT needs the package transformers: pip install 'calibsweep[bert]'."
            ) from error
        # Else it warns at length that the last layer is not pretrained.
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        # For a damaged file the reader raises various exceptions without a common base class.
        try:
            self.network = BertForSequenceClassification.from_pretrained(
                pretrained, num_labels=num_classes, local_files_only=True, ignore_mismatched_sizes=True
            )
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise DataError(f"{pretrained} has no readable BERT weights: {first}") from error

    def forward(self, pieces: Tensor) -> Tensor:
        """Logits [N, K] for ids of word pieces [N, L], padded at the end with 0."""
        logits: Tensor = self.network(
            input_ids=pieces.long(), attention_mask=pieces.ne(PADDING).long()
        ).logits
        return logits
