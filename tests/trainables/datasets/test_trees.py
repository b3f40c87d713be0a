"""Trees in arrays, and plans of them: whatever the trees, a plan computes each node from its own children."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.datasets.trees import NOBODY, Forest, TreeBatch, TreeSplit, numbered, order, read_forest
from trainables.errors import DataError

LABELS = 3
WORDS = [f"w{number}" for number in range(9)]

labels = st.integers(0, LABELS - 1)
leaves = st.builds("({} {})".format, labels, st.sampled_from(WORDS))
trees = st.recursive(
    leaves, lambda below: st.builds("({} {} {})".format, labels, below, below), max_leaves=12
)


def forest_of(lines: list[str], folder: Path) -> Forest:
    path = folder / "trees.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    forest, words = read_forest(path, LABELS)
    return numbered(forest, words, {word: number for number, word in enumerate(WORDS)})


def written(forest: Forest, node: int) -> str:
    label, word = forest.labels[node], forest.words[node]
    if word != NOBODY:
        return f"({label} {WORDS[word]})"
    left, right = (written(forest, child) for child in forest.children[node])
    return f"({label} {left} {right})"


def carried_out(batch: TreeBatch) -> np.ndarray:
    """What a plan makes of words if a node's state is its children's between brackets."""
    words = np.array(WORDS, dtype=object)[batch.words.numpy()]
    starts = np.cumsum([0, *batch.leaves])
    states, frontier = [words], np.empty(0, dtype=object)
    for level, (size, gather) in enumerate(zip(batch.sizes, batch.gathers, strict=True), 1):
        frontier = np.concatenate([frontier, words[starts[level] : starts[level + 1]]])
        assert len(set(gather.tolist())) == len(gather)
        gathered = frontier[gather.numpy()]
        new = np.array([f"({left} {right})" for left, right in gathered[: 2 * size].reshape(-1, 2)], object)
        states.append(new)
        frontier = np.concatenate([new, gathered[2 * size :]])
    everything = np.concatenate(states)
    return everything if batch.outputs is None else everything[batch.outputs.numpy()]


def bare(forest: Forest, node: int) -> str:
    if forest.words[node] != NOBODY:
        return WORDS[forest.words[node]]
    left, right = (bare(forest, child) for child in forest.children[node])
    return f"({left} {right})"


@given(lines=st.lists(trees, min_size=1, max_size=8), data=st.data())
def test_plans_compute_every_node_from_its_own_children(
    lines: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forest = forest_of(lines, tmp_path_factory.mktemp("trees"))
    assert [written(forest, root) for root in forest.roots] == lines
    chosen = np.array(data.draw(st.permutations(range(len(lines))))[: data.draw(st.integers(1, len(lines)))])
    part = forest.chosen(chosen)
    assert [written(part, root) for root in part.roots] == [lines[tree] for tree in chosen]

    roots, ids = torch.from_numpy(forest.labels[forest.roots]), torch.arange(len(forest))
    some = np.where(forest.labels == 1, NOBODY, forest.labels)
    for labelled, classes in (("roots", forest.labels), ("nodes", forest.labels), ("nodes", some)):
        split = TreeSplit(forest, roots, ids, labelled, classes, LABELS)  # type: ignore[arg-type]
        batch, given_classes = split.batch(torch.from_numpy(chosen))
        nodes = forest.roots[chosen] if labelled == "roots" else order(forest, chosen)
        nodes = nodes if labelled == "roots" else nodes[classes[nodes] != NOBODY]
        assert carried_out(batch).tolist() == [bare(forest, node) for node in nodes]
        assert given_classes.tolist() == classes[nodes].tolist()
        if labelled == "nodes":
            mine = np.isin(nodes, forest.nodes_of(chosen))
            assert mine.all() and len(nodes) == (classes[forest.nodes_of(chosen)] != NOBODY).sum()


def test_the_frontier_holds_unused_nodes_and_no_leaf_early(tmp_path: Path) -> None:
    chain = "(0 w0)"
    for _ in range(20):
        chain = f"(0 (0 w1) {chain})"
    forest = forest_of([chain, "(0 w2)"], tmp_path)
    split = TreeSplit(forest, torch.zeros(2), torch.arange(2), "nodes", forest.labels, LABELS)
    batch, _ = split.batch(torch.arange(2))
    assert [len(gather) for gather in batch.gathers] == [2] * 20
    assert batch.leaves == [1, 2, *[1] * 19] and batch.sizes == [1] * 20


def test_plans_of_whole_sentences_are_kept(tmp_path: Path) -> None:
    forest = forest_of(["(0 (1 w1) (2 w2))", "(1 w3)"], tmp_path)
    split = TreeSplit(forest, torch.tensor([0, 1]), torch.arange(2), "roots", forest.labels, LABELS)
    assert split.batch(torch.arange(2))[0] is split.batch(torch.arange(2))[0]
    assert split.batch(torch.tensor([1]))[0] is not split.batch(torch.tensor([0]))[0]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("(0 (1 w1) (2 w2)", "1 brackets are not closed"),
        ("(0 (1 w1) (2 w2)))", r"'\)' after the tree's last bracket"),
        (")", "a closing bracket without an opening one"),
        ("(0 (3 w1) (2 w2))", "a label must be 0 to 2, not '3'"),
        ("(0 (w1) (2 w2))", "a label must be 0 to 2, not 'w1'"),
        ("(0 (1 w1))", "a node has 1 children instead of a word or two children"),
        ("(0 (1 w1) (1 w1) (1 w1))", "a node has 3 children"),
        ("(0)", "a node has 0 children"),
        ("(0 w1 w2)", "'w2' where a bracket belongs"),
        ("(0 w1 (2 w2))", "a bracket after a word, at 'w1'"),
        ("(0 (1 w1) w2)", "'w2' where a bracket belongs"),
        ("w1", "'w1' is outside all brackets"),
        ("", "no tree"),
    ],
)
def test_a_line_that_is_no_tree_is_named(line: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"trees\.txt, line 2: {problem}"):
        forest_of(["(0 w1)", line, "(0 w1)"], tmp_path)


def test_a_file_without_text_or_trees_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trees.txt"
    path.write_bytes(b"(0 w1)\n(0 \xff)\n")
    with pytest.raises(DataError, match=r"trees\.txt, line 2: not UTF-8 text"):
        read_forest(path, LABELS)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="has no tree"):
        read_forest(path, LABELS)


def test_white_space_of_other_kinds_belongs_to_a_word(tmp_path: Path) -> None:
    path = tmp_path / "trees.txt"
    path.write_text("(0 (1 8\u00a01\\/2) (2 w2))\n", encoding="utf-8")
    assert read_forest(path, LABELS)[1] == ["8\u00a01\\/2", "w2"]
