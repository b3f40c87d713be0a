"""What a trial reserves, and which trials no cluster of a kind will ever run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.cluster.placement import GROUP_LABEL, Needs, check
from orchestrator.driver.trial_source import ListedTrials
from sweeps.expand import load
from trainables.errors import ConfigurationError


def listed(tmp_path: Path, gpus: float, cpus: float = 1) -> ListedTrials:
    path = tmp_path / "a.yaml"
    path.write_text(
        "name: a\nseeds: 1\nblocks:\n  - {datasets: [digits], models: [mlp], losses: [brier]}\n"
        f"run: {{cpus_per_trial: {cpus}, gpus_per_trial: {gpus}}}\n",
        encoding="utf-8",
    )
    sweep = load(path)
    return ListedTrials(sweep.trials, sweep.gpus, sweep.run.cpus_per_trial)


def node(gpus: float, cpus: float, alive: bool = True, **labels: str) -> dict[str, Any]:
    resources = {"CPU": cpus, "memory": 1e9} | ({"GPU": gpus} if gpus else {})
    return {"Alive": alive, "Resources": resources, "Labels": labels}


@pytest.mark.parametrize(
    ("gpus", "cpus", "nodes"),
    [
        (0, 2, [node(0, 2)]),
        (0.25, 1, [node(0, 64), node(1, 1)]),
        (1, 2, [node(1, 2)]),
        (4, 2, [node(4, 8)]),
        (6, 1, [node(4, 8), node(2, 2)]),  # over two nodes
        (3, 0.1, [node(3, 0.3)]),
    ],
)
def test_fitting_trials_pass(gpus: float, cpus: float, nodes: list[dict[str, Any]], tmp_path: Path) -> None:
    source = listed(tmp_path, gpus, cpus)
    assert check(source.representatives(), source.needs, nodes) is None


@pytest.mark.parametrize(
    ("gpus", "cpus", "nodes", "message"),
    [
        (
            1,
            1,
            [node(0, 2)],
            "needs 1 GPU with 1 CPU core, but Ray has only one node, with no GPU and 2 CPU cores.",
        ),
        (
            0,
            4,
            [node(0, 2), node(0, 2)],
            "needs 4 CPU cores, but Ray has only no GPU and 4 CPU cores on 2 nodes, the largest with no "
            "GPU and 2 CPU cores.",
        ),
        (
            4,
            2,
            [node(4, 6), node(1, 1)],  # cores for three workers, and for none
            "needs 4 GPUs with 2 CPU cores each, but Ray has only 5 GPUs and 7 CPU cores on 2 nodes, the "
            "largest with 4 GPUs and 6 CPU cores.",
        ),
        (
            2,
            1,
            [node(1, 2), node(1, 2, alive=False)],
            "needs 2 GPUs with 1 CPU core each, but Ray has only one node, with 1 GPU and 2 CPU cores.",
        ),
    ],
)
def test_a_trial_larger_than_the_cluster_is_refused(
    gpus: float, cpus: float, nodes: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    source = listed(tmp_path, gpus, cpus)
    with pytest.raises(ConfigurationError) as refused:
        check(source.representatives(), source.needs, nodes)
    assert str(refused.value) == f"digits / mlp / brier {message}"


def test_a_cluster_that_can_grow_is_waited_for(tmp_path: Path) -> None:
    source = listed(tmp_path, 4)
    waits = check(source.representatives(), source.needs, [node(0, 2, **{GROUP_LABEL: "head"})])
    assert waits is not None and "digits / mlp / brier needs 4 GPUs" in waits


def test_a_worker_has_a_gpu_or_a_part_of_one() -> None:
    assert Needs.of(4, 2) == Needs(4, 2, 1)
    assert Needs.of(0.25, 2) == Needs(1, 2, 0.25)
    assert Needs.of(1, 0.5).bundle == {"CPU": 0.5, "GPU": 1}
