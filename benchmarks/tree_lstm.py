"""Measures the Tree-LSTM's training speed in trees per second, level by level against node by node.

    python benchmarks/tree_lstm.py [--repeats 7] [--trees trees/train.txt]

The rival is the usual code, also that of Tai et al. (ACL 2015) and Mukhoti et al. (NeurIPS 2020): a function
that calls itself for both children of a node and then computes the node, its logits and its loss, one tree
after the other. Both run alternately in this process on one thread, with the same weights, dropout, the loss
of every node and one backward pass per batch; the batch is planned again each time. Word vectors have few
dimensions, in favour of the recursion: it looks up the words of each tree separately, and each time the
gradient is as large as the vocabulary. First compares gradients in float64. Prints the medians and their
ratio. Without a file, draws random trees about as large and as deep as the Stanford treebank's.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainables import models
from trainables.datasets.trees import NOBODY, TreeSplit, numbered, read_forest
from trainables.datasets.word_vectors import WordVectors
from trainables.models.tree_lstm import TreeLSTM

CLAIMS = ((25, 20.0), (256, 35.0))
"""Trees in a batch, and the claimed minimum ratio."""
DIMENSIONS = 50
SENTIMENTS = 5
FAST_RUNS = 5
"""Runs level by level per run node by node, which takes much longer."""


class Recursion:
    """Computes the network on a batch tree by tree and node by node.

    Attributes:
        losses: The cross-entropy of each computed node.
    """

    def __init__(self, model: TreeLSTM, split: TreeSplit, trees: Sequence[int]):
        self.model, self.forest = model, split.inputs
        self.labels = torch.from_numpy(split.node_classes)
        self.bias = model.biases.sum(dim=0)
        self.losses: list[Tensor] = []
        for tree in trees:
            nodes = self.forest.nodes_of(np.array([tree]))
            leaves = nodes[self.forest.words[nodes] != NOBODY]
            vectors = model.embedding(torch.from_numpy(self.forest.words[leaves])).unbind()
            self.vectors = dict(zip(leaves.tolist(), vectors, strict=True))
            self.states(int(self.forest.roots[tree]))

    def states(self, node: int) -> tuple[Tensor, Tensor]:
        """The states h and c of a node, each [memory]."""
        model = self.model
        if self.forest.words[node] != NOBODY:
            cell, gate = model.leaf(self.vectors[node]).split(model.memory)
            hidden = torch.sigmoid(gate) * torch.tanh(cell)
        else:
            left, right = self.forest.children[node].tolist()
            left_hidden, left_cell = self.states(left)
            right_hidden, right_cell = self.states(right)
            gates = functional.linear(torch.cat([left_hidden, right_hidden]), model.weight, self.bias)
            entrance, left_forget, right_forget, update = gates.split(model.memory)
            cell = (
                torch.sigmoid(entrance) * torch.tanh(update)
                + torch.sigmoid(left_forget) * left_cell
                + torch.sigmoid(right_forget) * right_cell
            )
            hidden = torch.tanh(cell)
        logits = model.classifier(model.dropout(hidden))
        self.losses.append(functional.cross_entropy(logits, self.labels[node]))
        return hidden, cell


def recursive_loss(model: TreeLSTM, split: TreeSplit, trees: Sequence[int]) -> Tensor:
    """Sums the cross-entropy of all nodes of these trees, tree by tree and node by node."""
    return torch.stack(Recursion(model, split, trees).losses).sum()


def batched_loss(model: TreeLSTM, split: TreeSplit, trees: Sequence[int]) -> Tensor:
    """The same sum, level by level for all trees at once."""
    batch, labels = split.batch(torch.tensor(trees))
    return functional.cross_entropy(model(batch), labels, reduction="sum")


def drawn_trees(number: int, generator: random.Random) -> list[str]:
    """Lines of random trees with 3 to 36 words, mostly split near the beginning, as sentences are."""

    def tree(words: list[str]) -> str:
        label = generator.randrange(SENTIMENTS)
        if len(words) == 1:
            return f"({label} {words[0]})"
        cut = min(1 + int(generator.expovariate(0.35)), len(words) - 1)
        return f"({label} {tree(words[:cut])} {tree(words[cut:])})"

    lengths = [generator.randint(3, 36) for _ in range(number)]
    return [tree([f"w{generator.randrange(18_000)}" for _ in range(length)]) for length in lengths]


def split_of(path: Path) -> tuple[TreeSplit, int]:
    """The trees of a file with a class at every node, and the number of their distinct words."""
    forest, leaves = read_forest(path, SENTIMENTS)
    numbers = {word: number for number, word in enumerate(dict.fromkeys(leaves))}
    forest = numbered(forest, leaves, numbers)
    roots = torch.from_numpy(forest.labels[forest.roots])
    ids = torch.arange(len(forest))
    return TreeSplit(forest, roots, ids, "nodes", forest.labels, SENTIMENTS), len(numbers)


def gradients(model: TreeLSTM, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }


def seconds(function: Callable[..., Tensor], model: TreeLSTM, split: TreeSplit, trees: list[int]) -> float:
    model.zero_grad()
    start = time.perf_counter()
    function(model, split, trees).backward()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7, help="timings of each, of which the median counts")
    parser.add_argument("--trees", type=Path, help="trees in Penn Treebank brackets, one a line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.trees or Path(folder) / "trees.txt"
        if not arguments.trees:
            path.write_text("\n".join(drawn_trees(6920, generator)), encoding="utf-8")
        split, words = split_of(path)
    vectors = WordVectors(torch.zeros(words, DIMENSIONS), torch.zeros(words, dtype=torch.bool))
    model = models.build("tree_lstm", SENTIMENTS, word_vectors=vectors)
    assert isinstance(model, TreeLSTM)
    nodes = len(split.inputs.words) / len(split)
    print(
        f"torch {torch.__version__}, 1 thread, float32, memory 150, {DIMENSIONS} dimensions, "
        f"{len(split):,} trees of {nodes:.1f} nodes, median of {arguments.repeats}"
    )
    model.double().eval()
    trees = generator.sample(range(len(split)), 25)
    ours, plain = (gradients(model, loss(model, split, trees)) for loss in (batched_loss, recursive_loss))
    difference = max(float((ours[name] - plain[name]).abs().max()) for name in ours)
    if difference > 1e-10:
        raise SystemExit(f"the gradients differ by {difference}")
    print(f"gradients in float64 differ by at most {difference:.1e}")
    model.float().train()
    for size, claimed in CLAIMS:
        fast, slow = [], []
        for _ in range(arguments.repeats):
            trees = generator.sample(range(len(split)), size)
            slow.append(seconds(recursive_loss, model, split, trees))
            fast += [seconds(batched_loss, model, split, trees) for _ in range(FAST_RUNS)]
        ours_rate, plain_rate = size / statistics.median(fast), size / statistics.median(slow)
        print(
            f"batch {size}: tree by tree {plain_rate:.1f} trees/s, level by level {ours_rate:.0f} trees/s  "
            f"ratio {ours_rate / plain_rate:.1f} (claimed: at least {claimed:g})"
        )


if __name__ == "__main__":
    main()
