"""The constituency Tree-LSTM, computed level by level for all trees of a batch in parallel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainables.registry import register

if TYPE_CHECKING:
    from trainables.datasets.trees import TreeBatch
    from trainables.datasets.word_vectors import WordVectors

# Backward passes of sigmoid and tanh that write in place.
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


@register("tree_lstm", spec={"input": "tree", "tuned_embedding": True})
class TreeLSTM(nn.Module):
    """Binary Tree-LSTM over constituency trees, with logits at every node.

    Tai et al., 'Improved Semantic Representations From Tree-Structured Long Short-Term Memory Networks' (ACL
    2015), section 3.2 with N = 2, as released with that paper and with Mukhoti et al. (NeurIPS 2020): inner
    nodes have no output gate, h = tanh(c), and each gate has one bias per child. With 300 dimensions and 3
    classes it has 271,953 parameters, without the embedding.

    Args:
        num_classes: K, the width of the logits.
        word_vectors: Initial values of the embedding, which is trained.
        memory: Width of h and c.
        dropout: Dropout probability of h, before the last layer.
    """

    def __init__(self, num_classes: int, word_vectors: WordVectors, memory: int = 150, dropout: float = 0.5):
        super().__init__()
        self.memory = memory
        initial = word_vectors.initial()
        self.embedding = nn.Embedding(len(initial), word_vectors.dimensions, _weight=initial)
        self.leaf = nn.Linear(word_vectors.dimensions, 2 * memory)
        # Rows: input gate, forget gates of the left and of the right child, update. Columns: left h, right h.
        self.weight = nn.Parameter(torch.empty(4 * memory, 2 * memory))
        # One parameter for both biases: with two, autograd could give both the same gradient tensor, and
        # clipping would scale it twice.
        self.biases = nn.Parameter(torch.empty(2, 4 * memory))
        self.dropout = Dropout(dropout)
        self.classifier = nn.Linear(memory, num_classes)
        for parameter in (self.weight, self.biases):
            # torch's default for a layer with one child as its input.
            nn.init.uniform_(parameter, -1 / math.sqrt(memory), 1 / math.sqrt(memory))

    def forward(self, batch: TreeBatch) -> Tensor:
        """Logits [M, K] of the batch's output nodes and classes."""
        logits: Tensor = self.classifier(self.dropout(self.hidden(batch)))
        return logits[:, : batch.classes]

    def hidden(self, batch: TreeBatch) -> Tensor:
        """h of the batch's output nodes, [M, memory]."""
        cell, gate = self.leaf(self.embedding(batch.words)).split(self.memory, dim=1)
        hidden = torch.sigmoid(gate) * torch.tanh(cell)
        # Rounding to bfloat16 at each level would accumulate up to the root.
        with torch.autocast(hidden.device.type, enabled=False):
            states: Tensor = _Levels.apply(  # type: ignore[no-untyped-call]
                hidden.to(self.weight), cell.to(self.weight), self.weight, self.biases, batch
            )
        return states if batch.outputs is None else states.index_select(0, batch.outputs)


class Dropout(nn.Module):
    """Dropout. torch's own takes three times as long on a CPU, a tenth of a training step.

    Args:
        probability: Probability of dropping a value.
    """

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return values
        kept = torch.rand_like(values, dtype=torch.float32) >= self.probability
        return values * kept / (1 - self.probability)


class _Levels(torch.autograd.Function):
    """Computes h of all nodes, level by level, from h and c of the leaves.

    The backward pass is explicit: autograd would compute and add one gradient of the whole weight per level.
    Here it is one matrix product over all nodes.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, cell: Tensor, weight: Tensor, biases: Tensor, batch: TreeBatch
    ) -> Tensor:
        leaves, memory = hidden.shape
        inner = sum(batch.sizes)
        # On levels with few nodes the product with a transposed copy is twice as fast.
        bias, transposed = biases.sum(dim=0), weight.t().contiguous()
        states = hidden.new_empty(leaves + inner, memory)
        states[:leaves] = hidden
        # For each inner node: its three sigmoid gates and its update; the inputs of these gates, that is, the
        # update and c of both children; h of both children.
        gates, coming = hidden.new_empty(inner, 4, memory), hidden.new_empty(inner, 3, memory)
        below = hidden.new_empty(inner, 2, memory)
        wholes = (states[leaves:], gates, coming, below)
        parts = [torch.split(whole, batch.sizes) for whole in wholes]
        _, *joining = torch.split(torch.cat([hidden, cell], dim=1), batch.leaves)
        frontier = hidden.new_empty(0, 2 * memory)
        for size, gather, leaf, new, gate, content, lower in zip(
            batch.sizes, batch.gathers, joining, *parts, strict=True
        ):
            gathered = torch.cat([frontier, leaf]).index_select(0, gather)
            lower_hidden, lower_cell = gathered[: 2 * size].view(size, 2, 2, memory).unbind(dim=2)
            lower.copy_(lower_hidden)
            torch.addmm(bias, lower.view(size, -1), transposed, out=gate.view(size, -1))
            through, update = gate[:, :3].sigmoid_(), gate[:, 3:].tanh_()
            content[:, :1] = update
            content[:, 1:] = lower_cell
            new_cell = (through * content).sum(dim=1)
            torch.tanh(new_cell, out=new)
            frontier = torch.cat([torch.cat([new, new_cell], dim=1), gathered[2 * size :]])
        ctx.save_for_backward(states, gates, coming, below, weight)
        ctx.batch = batch
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, towards_states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        # `towards_x` is the gradient with respect to x; for gates, with respect to their pre-activations.
        states, gates, coming, below, weight = ctx.saved_tensors
        batch: TreeBatch = ctx.batch
        memory, leaves = gates.shape[2], len(states) - len(gates)
        towards_gates = torch.empty_like(gates)
        wholes = (states[leaves:], towards_states[leaves:], gates, coming, towards_gates)
        parts = [torch.split(whole, batch.sizes) for whole in wholes]
        levels = list(zip(batch.sizes, batch.gathers, *parts, strict=True))
        # Number of states in the frontier after each level; none before the first. After the last level only
        # roots remain, which no level uses.
        left = [0, *(len(gather) - size for size, gather, *_ in levels)]
        towards_frontier = states.new_zeros(left.pop(), 2 * memory)
        towards_leaves = states.new_zeros(leaves, 2 * memory)
        _, *joining = torch.split(towards_leaves, batch.leaves)
        for size, gather, new, towards_new, gate, content, towards_gate in reversed(levels):
            towards_hidden, towards_cell = torch.chunk(towards_frontier[:size], 2, dim=1)
            spread = (towards_cell + (towards_hidden + towards_new) * (1 - new * new))[:, None]
            through, update = gate[:, :3], gate[:, 3:]
            sigmoid_backward(spread * content, through, grad_input=towards_gate[:, :3])
            tanh_backward(spread * through[:, :1], update, grad_input=towards_gate[:, 3:])
            towards_gathered = states.new_empty(len(gather), 2 * memory)
            towards_children = towards_gathered[: 2 * size].view(size, 2, 2, memory)
            towards_children[:, :, 0] = (towards_gate.view(size, -1) @ weight).view(size, 2, memory)
            torch.mul(spread, through[:, 1:], out=towards_children[:, :, 1])
            towards_gathered[2 * size :] = towards_frontier[size:]
            # A node has one parent, so each state is gathered at most once, and nothing needs to be summed.
            before, leaf = left.pop(), joining.pop()
            scattered = states.new_zeros(before + len(leaf), 2 * memory)
            scattered.index_copy_(0, gather, towards_gathered)
            towards_frontier = scattered[:before]
            leaf.copy_(scattered[before:])
        flat = towards_gates.flatten(1)
        return (
            towards_leaves[:, :memory] + towards_states[:leaves],
            towards_leaves[:, memory:],
            flat.t() @ below.flatten(1),
            flat.sum(dim=0).repeat(2, 1),
            None,
        )
