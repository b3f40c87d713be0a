"""The original 19,997 posts to 20 newsgroups, parsed and split as in the benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.archives import Archive, obtain
from trainables.datasets.base import Split
from trainables.datasets.files import Progress, RemoteFile, missing, silent
from trainables.datasets.unpacking import Limits, members
from trainables.errors import DataError

NAME = "twenty_newsgroups"
FOLDER = "20_newsgroup"
ARCHIVE = RemoteFile(
    "news20.tar.gz",
    "https://www.cs.cmu.edu/afs/cs.cmu.edu/project/theo-20/www/data/news20.tar.gz",
    sha256="",
    size=20_000_000,
)
LIMITS = Limits(members=21_000, size=50_000_000)
"""The posts have 45 MB."""
DIGEST = "b8ee50bf470ad189ecf18709bd14a2fcfa0558e66038735fb69dc73c95a982f1"
"""`Posts.digest` of the published posts. The archive has no published digest, so its content is compared with
this before anything is written."""

GROUPS = (
    "alt.atheism",
    "comp.graphics",
    "comp.os.ms-windows.misc",
    "comp.sys.ibm.pc.hardware",
    "comp.sys.mac.hardware",
    "comp.windows.x",
    "misc.forsale",
    "rec.autos",
    "rec.motorcycles",
    "rec.sport.baseball",
    "rec.sport.hockey",
    "sci.crypt",
    "sci.electronics",
    "sci.med",
    "sci.space",
    "soc.religion.christian",
    "talk.politics.guns",
    "talk.politics.mideast",
    "talk.politics.misc",
    "talk.religion.misc",
)
TEST_SHARE = 0.2
VALIDATION = 900
SPLIT_SEED = 1
"""The split is fixed: it does not depend on a trial's seed."""


@dataclass(frozen=True)
class Posts:
    """All posts, ordered by group and name.

    Attributes:
        texts: Text of each post after its header.
        labels: Group of each post, int64 [N].
        digest: SHA-256 over the group, name, length and bytes of each post.
    """

    texts: list[str]
    labels: Tensor
    digest: str


def prepare(root: Path, progress: Progress) -> Path:
    """Returns the folder with all posts. Downloads them if necessary.

    Raises:
        DataError: Files are unavailable or not the published ones.
    """
    archive = Archive(
        NAME,
        ARCHIVE,
        FOLDER,
        LIMITS,
        check=lambda folder: checked(read(folder), folder),
        check_archive=lambda path: checked(_read_archive(path, progress), path),
    )
    return obtain(archive, root, progress)


def published(root: Path) -> Posts:
    """The published posts.

    Raises:
        DataError: The folder or a group is missing, a group is unknown, a post is not text, or the posts are
            not the published ones.
    """
    folder = root / FOLDER
    posts = read(folder)
    checked(posts, folder)
    return posts


def read(folder: Path) -> Posts:
    """Reads the posts of a folder, without comparing them with the published ones.

    Raises:
        DataError: The folder or a group is missing, a group is unknown, or a post is not text.
    """
    if not folder.is_dir():
        raise missing(folder, NAME)
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in GROUPS:
            raise DataError(f"{path} is not one of the 20 groups.")
    for group in GROUPS:
        if not (folder / group).is_dir():
            raise missing(folder / group, NAME)

    def contents() -> Iterator[tuple[Path, bytes]]:
        for group in GROUPS:
            for path in sorted(path for path in (folder / group).iterdir() if path.name.isdigit()):
                try:
                    yield path, path.read_bytes()
                except OSError as error:
                    raise DataError(f"cannot read {path}: {error.strerror}.") from error

    return _posts(contents())


def _read_archive(path: Path, progress: Progress = silent) -> Posts:
    """Reads the posts in an archive without writing anything.

    Raises:
        DataError: The archive is unsafe or damaged, or a post is not text.
    """
    found = {}
    for member in members(path, LIMITS, progress):
        *above, group, name = ("", "", *member.path.parts)
        if member.content is not None and above[-1] == FOLDER and group in GROUPS and name.isdigit():
            found[GROUPS.index(group), name] = path / member.path, b"".join(member.content)
    return _posts(found[key] for key in sorted(found))


def _posts(contents: Iterable[tuple[Path, bytes]]) -> Posts:
    """Posts from paths, which end in group and number, and contents, in order."""
    texts, labels, sha = [], [], hashlib.sha256()
    for path, content in contents:
        group = path.parent.name
        texts.append(_body(content, path))
        labels.append(GROUPS.index(group))
        sha.update(f"{group}/{path.name}\0{len(content)}\0".encode() + content)
    return Posts(texts, torch.tensor(labels), sha.hexdigest())


def checked(posts: Posts, path: Path) -> None:
    """Raises DataError if the posts from this folder or archive are not the published ones."""
    if posts.digest != DIGEST:
        raise DataError(
            f"{path} does not have the 19,997 original posts ({len(posts.texts):,} posts, SHA-256 "
            f"{posts.digest}, published {DIGEST}; the 'by date' version with 18,846 posts is another data "
            "set): delete it, then",
            NAME,
        )


def split(number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of the training, validation and test posts: 15,098, 900 and 3,999 of 19,997, each int64.

    As in the released code of Mukhoti et al. (NeurIPS 2020): NumPy's legacy generator shuffles them with seed
    1, the last fifth is the test part, and the 900 before it are the validation part; not stratified.
    """
    order = np.arange(number)
    np.random.RandomState(SPLIT_SEED).shuffle(order)
    test = number - int(TEST_SHARE * number)
    first, second, third = np.split(order, [test - VALIDATION, test])
    return torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(third)


def parts(inputs: Tensor, labels: Tensor) -> tuple[Split, Split, Split]:
    """Training, validation and test part, from the inputs and labels of all posts, [N, ...] and [N]."""
    train, validation, test = (Split(inputs[ids], labels[ids], ids) for ids in split(len(labels)))
    return train, validation, test


def _body(content: bytes, path: Path) -> str:
    """The text after the first empty line, as in the released code."""
    if b"\0" in content:
        # The posts are Latin-1, which decodes every byte, but text contains no NUL.
        raise DataError(f"{path} is not text: byte {content.index(0) + 1} is 0.")
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    header = text.find("\n\n")
    return text[header:] if header > 0 else text
