"""A user's own texts as word pieces for BERT."""

from __future__ import annotations

from pathlib import Path

from trainables.datasets import text_rows
from trainables.datasets.parts import PARTS, VALIDATION
from trainables.datasets.wordpieces import WordPieces, network_in, pieces
from trainables.errors import ConfigurationError
from trainables.registry import register


@register(
    "text_table_bert",
    spec={"input": "wordpieces", "content": "path", "endings": [".csv", ".tsv", ".parquet"]},
)
class TextTableForBert(WordPieces):
    """The texts and parts of `text_table`, tokenised for a pretrained BERT.

    An input consists of the first `length` word pieces, int32 [length], padded at the end with 0.

    Args:
        root: The folder that contains the folder of the pretrained network.
        path: The file or folder. A trial's identity has a digest of its content instead.
        text: Name of the column of texts.
        label: Name of the column of classes.
        pretrained: Name of the network's folder, with Hugging Face's `config.json`, `vocab.txt` and
            `model.safetensors`. Nothing is downloaded.
        length: Largest number of pieces, including the two that mark start and end; from 2 to 512.
        validation: Fraction of each class in the validation part, if there is no such file.
        test: Fraction of each class in the test part, if there is no such file.
        split_seed: Chooses the samples of these parts.

    Raises:
        ConfigurationError: A column or the package transformers does not exist, or a number is impossible.
        DataError: A file is damaged, a value is missing, samples are too few, or classes of parts differ.
    """

    def __init__(
        self,
        root: Path,
        path: str,
        text: str = "text",
        label: str = "label",
        pretrained: str = "bert-base-uncased",
        length: int = 256,
        validation: float = 0.1,
        test: float = 0.2,
        split_seed: int = 1,
    ):
        if not 2 <= length <= 512:
            raise ConfigurationError(f"text_table_bert: length must lie from 2 to 512, not {length}.")
        folder = network_in(root, pretrained)
        texts = text_rows.read(Path(path), text, label)
        parts = texts.divided(validation, test, split_seed)
        train, valid, tested = (
            text_rows.split(pieces(parts[part][0], folder, length), *parts[part][1:]) for part in PARTS
        )
        super().__init__(
            train,
            valid,
            tested,
            num_classes=len(texts.classes),
            input_shape=(length,),
            pretrained=folder,
        )
        self.held_out = VALIDATION not in texts.parts
