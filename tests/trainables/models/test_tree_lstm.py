"""The Tree-LSTM level by level is the Tree-LSTM node by node: logits, gradients, and these when clipped."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from trainables import models
from trainables.datasets.trees import TreeSplit
from trainables.datasets.word_vectors import WordVectors
from trainables.models.tree_lstm import Dropout, TreeLSTM
from trainables.training.curves import last_linear


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> ModuleType:
    """The benchmark, which has the recursive version."""
    path = repository / "benchmarks" / "tree_lstm.py"
    spec = importlib.util.spec_from_file_location("benchmark_tree_lstm", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def split(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> TreeSplit:
    path = tmp_path_factory.mktemp("trees") / "trees.txt"
    lines = ["(3 alone)", *benchmark.drawn_trees(39, random.Random(3))]
    path.write_text("\n".join(lines), encoding="utf-8")
    found: TreeSplit = benchmark.split_of(path)[0]
    return found


def model_of(split: TreeSplit, classes: int = 5, memory: int = 7, dimensions: int = 6) -> TreeLSTM:
    torch.manual_seed(0)
    words = int(split.inputs.words.max()) + 1
    vectors = WordVectors(torch.randn(words, dimensions), torch.ones(words, dtype=torch.bool))
    model = models.build("tree_lstm", classes, word_vectors=vectors, memory=memory)
    assert isinstance(model, TreeLSTM)
    return model


def assert_equal_gradients(ours: dict[str, Tensor], plain: dict[str, Tensor]) -> None:
    for name, gradient in plain.items():
        torch.testing.assert_close(ours[name], gradient, rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("trees", [[0], [1], [0, 5], list(range(40))])
def test_logits_and_gradients_are_those_of_the_recursion(
    split: TreeSplit, benchmark: ModuleType, trees: list[int]
) -> None:
    model = model_of(split).double().eval()
    ours, plain = benchmark.batched_loss(model, split, trees), benchmark.recursive_loss(model, split, trees)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=0)
    assert_equal_gradients(benchmark.gradients(model, ours), benchmark.gradients(model, plain))


def test_two_steps_with_clipping_are_those_of_the_recursion(split: TreeSplit, benchmark: ModuleType) -> None:
    # Were two parameters given one and the same gradient tensor, clipping would scale it twice.
    def trained(loss: str) -> tuple[list[float], dict[str, Tensor]]:
        model = model_of(split).double().eval()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        norms = []
        for trees in ([3, 1, 4], [1, 5, 9, 2]):
            optimizer.zero_grad()
            for part in (trees, [6]):  # Two backward passes: the second adds to what the first has left.
                getattr(benchmark, loss)(model, split, part).backward()
            gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
            storages = {gradient.untyped_storage().data_ptr() for gradient in gradients}
            assert len(storages) == len(gradients) == len(list(model.parameters()))
            norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 0.5)))
            clipped = torch.stack([gradient.norm() for gradient in gradients]).norm()
            assert float(clipped) == pytest.approx(0.5)
            optimizer.step()
        return norms, {name: value.detach() for name, value in model.named_parameters()}

    ours, plain = trained("batched_loss"), trained("recursive_loss")
    assert ours[0] == pytest.approx(plain[0], rel=1e-10) and min(ours[0]) > 0.5
    assert_equal_gradients(ours[1], plain[1])


def test_size_is_that_of_the_released_network(split: TreeSplit) -> None:
    model = model_of(split, classes=3, memory=150, dimensions=300)
    embedding = model.embedding.weight.numel()
    assert sum(parameter.numel() for parameter in model.parameters()) - embedding == 271_953
    assert last_linear(model) is model.classifier
    for parameter in (model.weight, model.biases, model.classifier.weight):
        assert 0.98 < float(parameter.detach().abs().max()) * 150**0.5 <= 1


def test_roots_and_polar_classes_alone_are_given_where_the_plan_asks_for_them(split: TreeSplit) -> None:
    model = model_of(split, classes=3).eval()
    forest = split.inputs
    few = torch.tensor([7, 0, 3])
    roots = TreeSplit(forest, split.labels, split.sample_ids, "roots", forest.labels, classes=2)
    nodes = TreeSplit(forest, split.labels, split.sample_ids, "nodes", forest.labels, classes=3)
    with torch.no_grad():
        of_roots, of_nodes = (model(part.batch(few)[0]) for part in (roots, nodes))
        one_by_one = torch.cat([model(roots.batch(tree)[0]) for tree in few.split(1)])
    assert of_roots.shape == (3, 2)
    assert of_nodes.shape == (len(forest.nodes_of(few.numpy())), 3)
    torch.testing.assert_close(of_roots, one_by_one)
    found = (of_nodes[:, None, :2] - of_roots[None]).abs().amax(dim=2).amin(dim=0)
    assert float(found.max()) < 1e-6


def test_dropout_drops_its_share() -> None:
    torch.manual_seed(0)
    dropout, ones = Dropout(0.3), torch.ones(200, 500, requires_grad=True)
    out = dropout(ones)
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert float((out == 0).double().mean()) == pytest.approx(0.3, abs=0.01)
    out.sum().backward()
    assert ones.grad is not None and torch.equal(ones.grad, out.detach())
    assert dropout.eval()(ones) is ones


def test_bfloat16_keeps_states_in_float32(split: TreeSplit) -> None:
    model = model_of(split).eval()
    batch, _ = split.batch(torch.arange(10))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.hidden(batch)
        rough = model(batch)
    assert hidden.dtype == torch.float32 and rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), model(batch), rtol=0.05, atol=0.05)
