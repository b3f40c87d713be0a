"""Binary trees in arrays: parsed from brackets, and planned so that a network computes level by level."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.datasets.base import Split
from trainables.errors import DataError

Integers = NDArray[np.int64]

TOKENS = re.compile(r"[()]|[^() \t\r\n]+")
"""Words may contain other white space: '8 1\\/2' in the Stanford treebank has a no-break space."""
CPU = torch.device("cpu")
NOBODY = -1
"""Placeholder for the word of an inner node, the children of a leaf, and the parent of a root."""


@dataclass(frozen=True)
class Forest:
    """Concatenated binary trees. In each, children come before their parents, and the root is last.

    Attributes:
        first: Start of each tree, and the end of the last, int64 [N + 1].
        words: Id of each leaf's word, int64 [nodes]; NOBODY for inner nodes.
        children: Positions of the two children of each inner node, int64 [nodes, 2].
        parents: Position of the parent of each node, int64 [nodes]; NOBODY for roots.
        levels: 0 for leaves; for inner nodes one more than the higher child's, int64 [nodes].
        labels: Label of each node in the file, int64 [nodes].
    """

    first: Integers
    words: Integers
    children: Integers
    parents: Integers
    levels: Integers
    labels: Integers

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def roots(self) -> Integers:
        """The root of each tree, int64 [N]."""
        return self.first[1:] - 1

    def nodes_of(self, trees: Integers) -> Integers:
        """All nodes of these trees, tree after tree."""
        sizes = self.first[trees + 1] - self.first[trees]
        shifts = self.first[trees] - (np.cumsum(sizes) - sizes)
        return np.repeat(shifts, sizes) + np.arange(sizes.sum())

    def chosen(self, trees: Integers) -> Forest:
        """The forest of only these trees."""
        nodes = self.nodes_of(trees)
        moved = np.full(len(self.words) + 1, NOBODY)  # the last entry is for NOBODY
        moved[nodes] = np.arange(len(nodes))
        sizes = self.first[trees + 1] - self.first[trees]
        return Forest(
            np.concatenate([[0], np.cumsum(sizes)]),
            self.words[nodes],
            moved[self.children[nodes]],
            moved[self.parents[nodes]],
            self.levels[nodes],
            self.labels[nodes],
        )


@dataclass(frozen=True)
class TreeBatch:
    """A plan for computing some trees level by level.

    Nodes are ordered by level, so leaves come first, and within a level by the level of their parents; roots,
    without a parent, come first. A level is computed from the frontier: the states of all lower nodes that no
    level has used yet. After a level, the frontier consists of its own states, the remaining old states, and
    the leaves that the next level uses. So leaves enter the frontier only when they are needed.

    Attributes:
        words: Words of the leaves, int64 [leaves].
        leaves: Number of leaves that are roots, then the number that each level uses.
        sizes: Number of nodes of each level above the leaves.
        gathers: For each of these levels positions in the frontier, int64: first the two children of each of
            its nodes, then the states that stay in the frontier.
        outputs: Nodes with logits, int64 [M], in the order of the labels; None for all nodes.
        classes: K, the number of leading classes with logits.
    """

    words: Tensor
    leaves: list[int]
    sizes: list[int]
    gathers: tuple[Tensor, ...]
    outputs: Tensor | None
    classes: int


def plan(
    forest: Forest, trees: Integers, outputs: Integers | None, classes: int, device: torch.device
) -> TreeBatch:
    """Plans these trees, with outputs at these positions in the forest, or at all nodes in `order`.

    The loop runs over levels, so its length is the height of the highest tree.
    """
    nodes = order(forest, trees)
    place = np.empty(len(forest.words) + 1, dtype=np.int64)
    place[NOBODY] = NOBODY
    place[nodes] = np.arange(len(nodes))
    sizes = np.bincount(forest.levels[nodes])
    ends = np.cumsum(sizes)
    children = place[forest.children[nodes]]
    used_by = _used_by(forest, nodes)
    leaves = np.bincount(np.maximum(used_by[: ends[0]], 0), minlength=len(sizes))
    leaf_ends = np.cumsum(leaves)
    frontier = np.empty(0, dtype=np.int64)
    in_frontier = np.empty(len(nodes), dtype=np.int64)
    gathers = []
    for level in range(1, len(sizes)):
        frontier = np.concatenate([frontier, np.arange(leaf_ends[level - 1], leaf_ends[level])])
        in_frontier[frontier] = np.arange(len(frontier))
        start, end = ends[level - 1], ends[level]
        stays = np.flatnonzero(used_by[frontier] > level)
        gathers.append(np.concatenate([in_frontier[children[start:end].ravel()], stays]))
        frontier = np.concatenate([np.arange(start, end), frontier[stays]])
    # A single transfer: on a GPU each transfer would cost as much as the arithmetic of a level.
    parts = [forest.words[nodes[: ends[0]]], *gathers, *([] if outputs is None else [place[outputs]])]
    moved = torch.from_numpy(np.concatenate(parts)).to(device, non_blocking=True)
    words, *others = torch.split(moved, [len(part) for part in parts])
    return TreeBatch(
        words,
        leaves.tolist(),
        sizes[1:].tolist(),
        tuple(others[: len(gathers)]),
        None if outputs is None else others[-1],
        classes,
    )


def order(forest: Forest, trees: Integers) -> Integers:
    """All nodes of these trees, ordered by level, then by the level of their parents, roots first."""
    nodes = forest.nodes_of(trees)
    return nodes[np.lexsort((_used_by(forest, nodes), forest.levels[nodes]))]


def _used_by(forest: Forest, nodes: Integers) -> Integers:
    """The level of each node's parent; NOBODY for roots."""
    parents = forest.parents[nodes]
    return np.where(parents == NOBODY, NOBODY, forest.levels[parents])


@dataclass
class TreeSplit(Split):
    """Trees whose batches are plans. `labels` are those of the roots.

    Attributes:
        inputs: The forest.
        labelled: Nodes with logits and labels: every node with a class, or the root of each tree.
        node_classes: Class of each node, int64 [nodes]; NOBODY for none.
        classes: K.
        device: Device of the batches. The arrays stay in main memory, where plans are made.
    """

    inputs: Forest
    labelled: Literal["nodes", "roots"]
    node_classes: Integers
    classes: int
    device: torch.device = CPU

    def __post_init__(self) -> None:
        self.all_nodes = bool((self.node_classes != NOBODY).all())
        self.plans: dict[bytes, tuple[TreeBatch, Tensor]] = {}

    def batch(self, indices: Tensor) -> tuple[TreeBatch, Tensor]:
        """The plan of these trees, and the class of each output node, int64 [M].

        Parts labelled by their roots are evaluated in the same batches after each epoch, so their plans are
        cached.
        """
        trees = indices.cpu().numpy()
        if self.labelled == "nodes":
            return self._planned(trees)
        known = trees.tobytes()
        if known not in self.plans:
            self.plans[known] = self._planned(trees)
        return self.plans[known]

    def trained_labels(self) -> Tensor:
        if self.labelled == "roots":
            return self.labels
        return torch.from_numpy(self.node_classes[self.node_classes != NOBODY])

    def _planned(self, trees: Integers) -> tuple[TreeBatch, Tensor]:
        if self.labelled == "roots":
            outputs = self.inputs.roots[trees]
            classes = self.node_classes[outputs]
            made = plan(self.inputs, trees, outputs, self.classes, self.device)
        else:
            nodes = order(self.inputs, trees)
            if not self.all_nodes:
                nodes = nodes[self.node_classes[nodes] != NOBODY]
            classes = self.node_classes[nodes]
            made = plan(self.inputs, trees, None if self.all_nodes else nodes, self.classes, self.device)
        return made, torch.from_numpy(classes).to(self.device, non_blocking=True)

    def to(self, device: torch.device) -> TreeSplit:
        return TreeSplit(
            self.inputs, self.labels, self.sample_ids, self.labelled, self.node_classes, self.classes, device
        )

    def content(self) -> list[Tensor]:
        forest = self.inputs
        arrays = [forest.first, forest.words, forest.children, self.node_classes]
        return [*map(torch.from_numpy, arrays), self.sample_ids]


def read_forest(path: Path, labels: int) -> tuple[Forest, list[str]]:
    """Parses a file with one tree per line in Penn Treebank brackets, and returns the words of the leaves.

    A tree is a label and either a word or two trees, in brackets: `(3 (2 Good) (2 film))`. `words` of the
    result counts the leaves of the file; `numbered` turns these into word ids.

    Args:
        path: The file.
        labels: Labels are 0 to `labels` - 1.

    Raises:
        DataError: A line is not such a tree. The message gives its number.
    """
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text.") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    if lines[-1] == "":
        lines.pop()
    reader = _Reader(frozenset(map(str, range(labels))))
    for number, text in enumerate(lines, 1):
        if problem := reader.read(text):
            raise DataError(f"{path}, line {number}: {problem}.")
    if not reader.first[1:]:
        raise DataError(f"{path} has no tree.")
    return reader.forest(), reader.leaves


class _Reader:
    """Collects trees. A node is appended at its closing bracket, so children come before their parents."""

    def __init__(self, labels: frozenset[str]):
        self.known_labels = labels
        self.first = [0]
        self.leaves: list[str] = []
        self.words: list[int] = []
        self.children: list[tuple[int, int]] = []
        self.levels: list[int] = []
        self.labels: list[int] = []

    def read(self, line: str) -> str | None:
        """Appends the tree of a line. Returns the problem, if any."""
        # Label, word and children of each open bracket.
        open_: list[tuple[int, str | None, list[int]]] = []
        tokens = iter(TOKENS.findall(line))
        done = False
        for token in tokens:
            if done:
                return f"{token!r} after the tree's last bracket"
            if token == "(":
                if open_ and open_[-1][1] is not None:
                    return f"a bracket after a word, at {open_[-1][1]!r}"
                label = next(tokens, "")
                if label not in self.known_labels:
                    return f"a label must be 0 to {len(self.known_labels) - 1}, not {label!r}"
                open_.append((int(label), None, []))
            elif token == ")":
                if not open_:
                    return "a closing bracket without an opening one"
                label, word, children = open_.pop()
                if word is None and len(children) != 2:
                    return f"a node has {len(children)} children instead of a word or two children"
                node = self._append(label, word, children)
                if open_:
                    open_[-1][2].append(node)
                done = not open_
            else:
                if not open_:
                    return f"{token!r} is outside all brackets"
                label, word, children = open_[-1]
                if word is not None or children:
                    return f"{token!r} where a bracket belongs"
                open_[-1] = (label, token, children)
        if not done:
            return f"{len(open_)} brackets are not closed" if open_ else "no tree"
        self.first.append(len(self.words))
        return None

    def _append(self, label: int, word: str | None, children: list[int]) -> int:
        if word is None:
            left, right = children
            self.words.append(NOBODY)
            self.children.append((left, right))
            self.levels.append(1 + max(self.levels[left], self.levels[right]))
        else:
            self.words.append(len(self.leaves))
            self.leaves.append(word)
            self.children.append((NOBODY, NOBODY))
            self.levels.append(0)
        self.labels.append(label)
        return len(self.words) - 1

    def forest(self) -> Forest:
        children = np.array(self.children, dtype=np.int64)
        parents = np.full(len(children) + 1, NOBODY, dtype=np.int64)
        parents[children] = np.arange(len(children))[:, None]
        return Forest(
            np.array(self.first),
            np.array(self.words),
            children,
            parents[:-1],
            np.array(self.levels),
            np.array(self.labels),
        )


def numbered(forest: Forest, leaves: Sequence[str], numbers: Mapping[str, int]) -> Forest:
    """The forest with each leaf's position in `leaves` replaced by the id of its word."""
    of_leaf = np.array([*(numbers[word] for word in leaves), NOBODY])
    return Forest(
        forest.first, of_leaf[forest.words], forest.children, forest.parents, forest.levels, forest.labels
    )
