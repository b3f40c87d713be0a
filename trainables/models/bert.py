"""BERT with a layer for classes on top."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from trainables.errors import ConfigurationError, DataError
from trainables.registry import register

PADDING = 0


@register("bert", spec={"input": "wordpieces", "fine_tuned": True, "torchvision": True})
class Bert(nn.Module):
    """A pretrained BERT whose first output goes through dropout and a linear layer; all of it is trained.

    Devlin et al., 'BERT: Pre-training of Deep Bidirectional Transformers' (NAACL 2019), section 4.1; Hugging
    Face's BertForSequenceClassification.

    Args:
        num_classes: K, the width of the logits [N, K].
        pretrained: The folder of the pretrained network, which the data set was cut into pieces for.

    Raises:
        ConfigurationError: The package transformers is missing.
        DataError: A folder whose weights cannot be read.
    """

    def __init__(self, num_classes: int, pretrained: Path):
        super().__init__()
        try:
            from transformers import BertForSequenceClassification, logging
        except ImportError as error:
            raise ConfigurationError(
                "BERT needs the package transformers: pip install 'calibsweep[bert]'."
            ) from error
        # It tells at length that the last layer is not pretrained.
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        # A damaged file of weights raises what its reader raises, which is of no common kind.
        try:
            self.network = BertForSequenceClassification.from_pretrained(
                pretrained, num_labels=num_classes, local_files_only=True, ignore_mismatched_sizes=True
            )
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise DataError(f"{pretrained} holds no weights of a BERT that can be read: {first}") from error

    def forward(self, pieces: Tensor) -> Tensor:
        """Logits [N, K] of numbers of word pieces [N, L], 0 for padding behind them."""
        logits: Tensor = self.network(
            input_ids=pieces.long(), attention_mask=pieces.ne(PADDING).long()
        ).logits
        return logits
