"""20 Newsgroups as word pieces for BERT."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.datasets import newsgroups
from trainables.datasets.base import Dataset
from trainables.datasets.files import Progress, silent
from trainables.errors import ConfigurationError, DataError
from trainables.registry import register


@register("twenty_newsgroups_bert", spec={"input": "wordpieces"})
class TwentyNewsgroupsForBert(Dataset):
    """The posts and parts of `twenty_newsgroups`, tokenised for a pretrained BERT.

    An input consists of the first `length` word pieces after the header, int32 [length], padded at the end
    with 0.

    Args:
        root: The folder that contains `20_newsgroup` and the folder of the pretrained network.
        pretrained: Name of that folder, with Hugging Face's `config.json`, `vocab.txt` and
            `model.safetensors`. Nothing is downloaded.
        length: Largest number of pieces, including the two that mark start and end.

    Raises:
        ConfigurationError: The package transformers is missing.
        DataError: Files are missing, damaged or not the published ones.
    """

    def __init__(self, root: Path, pretrained: str = "bert-base-uncased", length: int = 512):
        folder = root / pretrained
        for name in ("config.json", "vocab.txt", "*.safetensors"):
            if not any(folder.glob(name)):
                raise DataError(
                    f"{folder / name} is missing: copy the pretrained network there by hand, for instance "
                    f"from https://huggingface.co/{pretrained}."
                )
        posts = newsgroups.published(root)
        inputs = _pieces(posts.texts, folder, length)
        super().__init__(
            *newsgroups.parts(inputs, posts.labels),
            num_classes=len(newsgroups.GROUPS),
            input_shape=(length,),
            pretrained=folder,
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the inputs and the files of the pretrained network."""
        assert self.pretrained is not None
        sha = hashlib.sha256(super().fingerprint.encode())
        for path in sorted(path for path in self.pretrained.iterdir() if path.is_file()):
            with path.open("rb") as file:
                sha.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return sha.hexdigest()

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return newsgroups.prepare(root, progress)


def _pieces(texts: list[str], folder: Path, length: int) -> Tensor:
    """Ids of word pieces, int32 [N, length]; 0 is padding."""
    try:
        from transformers import BertTokenizerFast
    except ImportError as error:
        raise ConfigurationError(
            "BERT needs the package transformers: pip install 'calibsweep[bert]'."
        ) from error
    tokenizer: Any = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token_id != 0:
        raise DataError(f"{folder / 'vocab.txt'} does not start with [PAD], as BERT's vocabularies do.")
    rows = tokenizer(texts, padding="max_length", truncation=True, max_length=length)["input_ids"]
    return torch.tensor(rows, dtype=torch.int32)
