"""Texts as word pieces for a pretrained BERT."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.datasets.base import Dataset
from trainables.errors import ConfigurationError, DataError


class WordPieces(Dataset):
    """A data set of word pieces, with the folder of the network that they are for."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the inputs and the files of the pretrained network."""
        assert self.pretrained is not None
        sha = hashlib.sha256(super().fingerprint.encode())
        for path in sorted(path for path in self.pretrained.iterdir() if path.is_file()):
            with path.open("rb") as file:
                sha.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return sha.hexdigest()


def network_in(root: Path, name: str) -> Path:
    """The folder of a pretrained network. Raises DataError if a file is missing."""
    folder = root / name
    for file in ("config.json", "vocab.txt", "*.safetensors"):
        if not any(folder.glob(file)):
            raise DataError(
                f"{folder / file} is missing: copy the pretrained network there by hand, for instance "
                f"from https://huggingface.co/{name}."
            )
    return folder


def pieces(texts: list[str], folder: Path, length: int) -> Tensor:
    """Ids of word pieces, int32 [N, length]; 0 is padding.

    Raises:
        ConfigurationError: The package transformers is missing.
        DataError: The vocabulary is not one of BERT.
    """
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
