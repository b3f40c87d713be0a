"""What is warned of, of parts that have it and of a healthy network that has not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from results.scoring.logits_input import doubts
from results.scoring.logits_input.logits import Part
from trainables.calibration import TEMPERATURES, evaluate, score

from .conftest import CLASSES, Network, predictions

Parts = tuple[Part, Part]


def message(val: Part, test: Part) -> list[tuple[str, str]]:
    tensors = [torch.from_numpy(values) for part in (val, test) for values in (part.logits, part.labels)]
    notes = doubts({"val": val, "test": test}, evaluate(*tensors), TEMPERATURES)
    assert all(note.kind == "warning" for note in notes)
    return [(note.code, note.line) for note in notes]


@pytest.fixture
def parts(network: Network) -> Parts:
    return Part(network.val_logits, network.val_labels), Part(network.test_logits, network.test_labels)


def test_a_healthy_network_is_not_warned_of(parts: Parts) -> None:
    assert message(*parts) == []


def few(val: Part, test: Part) -> Parts:
    return val, Part(test.logits[:299], test.labels[:299])


def absent(val: Part, test: Part) -> Parts:
    return val, Part(np.pad(test.logits, ((0, 0), (0, 2))), test.labels)


def same_confidence(val: Part, test: Part) -> Parts:
    # The same numbers in another order for each sample.
    row = np.array([3.0, 0.1, 0.2, 0.3])
    return val, Part(np.stack([np.roll(row, label) for label in test.labels]), test.labels)


def too_sure(val: Part, test: Part) -> Parts:
    return Part(50 * val.logits, val.labels), Part(50 * test.logits, test.labels)


def too_unsure(val: Part, test: Part) -> Parts:
    return Part(val.logits / 50, val.labels), Part(test.logits / 50, test.labels)


def of_two_networks(val: Part, test: Part) -> Parts:
    return Part(3 * val.logits, val.labels), Part(test.logits / 3, test.labels)


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (few, "few_samples", "299 samples"),
        (absent, "absent_class", "2 of 6 classes never occur in test_labels: 4, 5"),
        (same_confidence, "one_confidence", f"{np.exp(3) / np.exp([3, 0.1, 0.2, 0.3]).sum():.4g}"),
        (too_sure, "grid_end", "10.0"),
        (too_unsure, "grid_end", "0.1"),
        (of_two_networks, "scaling_hurts", "raises it on test"),
    ],
)
def test_doubtful_scores_come_with_warnings(
    parts: Parts, spoil: Callable[[Part, Part], Parts], code: str, says: str
) -> None:
    val, test = spoil(*parts)
    if code == "absent_class":
        val = Part(np.pad(val.logits, ((0, 0), (0, 2))), val.labels)
    warnings = message(val, test)
    assert any(found == code and says in line for found, line in warnings), warnings
    # A part alone is warned of what does not need the other.
    scores = score(torch.from_numpy(test.logits), torch.from_numpy(test.labels))
    alone = doubts({"test": test}, {f"test_{name}": value for name, value in scores.items()}, TEMPERATURES)
    assert (code in {note.code for note in alone}) == (code not in ("grid_end", "scaling_hurts"))


def test_a_change_within_chance_is_not_warned_of() -> None:
    # A temperature near 1 raises the NLL on half of all test sets, by next to nothing.
    for seed in range(20):
        val, test = Part(*predictions(317, seed)), Part(*predictions(353, 1000 + seed))
        assert val.logits.shape == (317, CLASSES)
        assert "scaling_hurts" not in [code for code, _ in message(val, test)]
