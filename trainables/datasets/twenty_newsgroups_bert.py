"""20 Newsgroups as word pieces for BERT."""

from __future__ import annotations

from pathlib import Path

from trainables.datasets import newsgroups
from trainables.datasets.files import Progress, silent
from trainables.datasets.wordpieces import WordPieces, network_in, pieces
from trainables.registry import register


@register("twenty_newsgroups_bert", spec={"input": "wordpieces"})
class TwentyNewsgroupsForBert(WordPieces):
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
        folder = network_in(root, pretrained)
        posts = newsgroups.published(root)
        super().__init__(
            *newsgroups.parts(pieces(posts.texts, folder, length), posts.labels),
            num_classes=len(newsgroups.GROUPS),
            input_shape=(length,),
            pretrained=folder,
        )

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return newsgroups.prepare(root, progress)
