"""The original 19,997 posts to 20 newsgroups, read and divided as in the benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.archives import Archive, obtain
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
"""SHA-256 over all posts, as `Posts.digest` has it. Nobody has published one of the archive: so what is in it
is read and compared with this before anything of it is written."""

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
"""The split is the data set's own: no seed of a trial changes it."""


@dataclass(frozen=True)
class Posts:
    """All posts, group by group, and within a group by name.

    Attributes:
        texts: What follows each post's header.
        labels: Each post's group, int64 [N].
        digest: SHA-256 over the group, name, length and bytes of each.
    """

    texts: list[str]
    labels: Tensor
    digest: str


def prepare(root: Path, progress: Progress) -> Path:
    """The folder with all posts, downloaded if need be.

    Raises:
        DataError: Files that cannot be had or are not the published ones.
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
        DataError: A folder that is missing, a group that is unknown or missing, a post that is no text, or
            posts that are not those that were published.
    """
    folder = root / FOLDER
    posts = read(folder)
    checked(posts, folder)
    return posts


def read(folder: Path) -> Posts:
    """The posts of a folder, whichever they are.

    Raises:
        DataError: A folder that is missing, a group that is unknown or missing, or a post that is no text.
    """
    if not folder.is_dir():
        raise missing(folder, NAME)
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in GROUPS:
            raise DataError(f"{path} is none of the 20 groups.")
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
    """The posts in an archive, of which nothing is written anywhere.

    Raises:
        DataError: An archive that is not safe to unpack or damaged, or a post that is no text.
    """
    found = {}
    for member in members(path, LIMITS, progress):
        *above, group, name = ("", "", *member.path.parts)
        if member.content is not None and above[-1] == FOLDER and group in GROUPS and name.isdigit():
            found[GROUPS.index(group), name] = path / member.path, b"".join(member.content)
    return _posts(found[key] for key in sorted(found))


def _posts(contents: Iterable[tuple[Path, bytes]]) -> Posts:
    """Posts by their paths, which end in the group and their number, in order."""
    texts, labels, sha = [], [], hashlib.sha256()
    for path, content in contents:
        group = path.parent.name
        texts.append(_body(content, path))
        labels.append(GROUPS.index(group))
        sha.update(f"{group}/{path.name}\0{len(content)}\0".encode() + content)
    return Posts(texts, torch.tensor(labels), sha.hexdigest())


def checked(posts: Posts, path: Path) -> None:
    """Raises DataError where these, from this folder or archive, are not the published posts."""
    if posts.digest != DIGEST:
        raise DataError(
            f"{path} does not hold the 19,997 original posts ({len(posts.texts):,} posts, SHA-256 "
            f"{posts.digest}, published {DIGEST}; the 'by date' version of 18,846 posts is another data "
            "set): delete it, then",
            NAME,
        )


def split(number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of the training, validation and test posts: 15,098, 900 and 3,999 of 19,997, each int64.

    In the order of NumPy's legacy generator with seed 1, the last fifth is the test and the 900 before it the
    validation part, as the code released with Mukhoti et al. (NeurIPS 2020) has it; not stratified.
    """
    order = np.arange(number)
    np.random.RandomState(SPLIT_SEED).shuffle(order)
    test = number - int(TEST_SHARE * number)
    first, second, third = np.split(order, [test - VALIDATION, test])
    return torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(third)


def _body(content: bytes, path: Path) -> str:
    """The text after the first empty line, as the released code has it."""
    if b"\0" in content:
        # Latin-1, which these posts are of, has a character for every byte: this one is in no text.
        raise DataError(f"{path} is not text: byte {content.index(0) + 1} is 0.")
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    header = text.find("\n\n")
    return text[header:] if header > 0 else text
