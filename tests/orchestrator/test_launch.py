"""A sweep launched as a job on a cluster: seen, stopped, launched again, with the code at hand."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ray.exceptions import AuthenticationError

from orchestrator.cluster.jobs import LAUNCHED, ONCE, reaching, shipped
from results.store.store import Store
from trainables.errors import ConfigurationError

from .conftest import Command, cluster, halved, numbers, source_with, trained_alone, wait_until
from .test_recovery import checkpoints
from .test_surroundings import OURS, Installed, hostile

SWEEP = """
name: launched
plugins: [halved.py]
seeds: [0, 1]
training: {epochs: 12}
blocks:
  - {datasets: [digits], models: [small_cnn], losses: [halved]}
run: {watch: [], checkpoint_every: 2, gpus_per_trial: 1, cpus_per_trial: 0.5}
"""


@dataclass
class Elsewhere(Installed):
    """The command of a source tree, in another folder."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PYTHONPATH": str(self.source)}


@dataclass
class Launched:
    command: Command
    options: tuple[str, ...]
    sweep: Path
    store: Path
    commit: str
    slow: Path

    def __call__(self, name: str, *more: str, code: int = 0) -> str:
        where = (name, str(self.sweep), "--store", str(self.store))
        return self.command(*where, *self.options, *more, code=code)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    tmp_path = tmp_path_factory.mktemp("launched")
    slow = tmp_path / "slow"
    slow.touch()
    source, loss = source_with(tmp_path / "source"), textwrap.dedent(halved(slow))
    (tmp_path / "halved.py").write_text(loss, encoding="utf-8")
    git = ["git", "-C", str(source), "-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    (source / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "all"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    sweep = tmp_path / "launched.yaml"
    sweep.write_text(SWEEP, encoding="utf-8")
    # The cluster has not this source: it is shipped. One node, since several on one machine share the folder
    # of what is shipped, and the first that needs it no more deletes it.
    nodes_folder = hostile(tmp_path / "nodes", OURS, ())
    command = Elsewhere(source, folder=hostile(tmp_path / "folder", OURS, ("random", "types", "json")))
    with contextlib.chdir(nodes_folder), cluster(Command(tmp_path), 2, dashboard=True) as nodes:
        address = f"http://{nodes.head_node.webui_url}"
        options = ("--address", address)
        yield Launched(command, options, sweep, tmp_path / "store", commit.strip(), slow)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_launched_sweep_is_seen_stopped_and_gone_on_with(launched: Launched, tmp_path: Path) -> None:
    output = launched("launch")
    assert "launched: 2 trials, launched as calibsweep-launched-" in output
    assert "is already running" in launched("launch", code=2)
    wait_until(
        lambda: len({path.parent for path in checkpoints(launched.store)}) == 2, "two trials that train"
    )
    wait_until(lambda: "2 running" in launched("status"), "a status that tells them")
    assert ": running, submitted" in launched("status")
    before = checkpoints(launched.store)
    stopped = launched("stop")
    assert ": stopped, submitted" in stopped and "To resume:\n  calibsweep launch" in stopped
    kept = {path.parent.name: int(path.name[:6]) for path in checkpoints(launched.store)}
    assert len(kept) == 2 and not Store(str(launched.store)).trials().size
    assert checkpoints(launched.store).isdisjoint(before)
    assert "stopping: each running trial saves a checkpoint first" in launched("logs", "--no-follow")
    assert "Nothing to stop" in launched("stop")
    assert "2 interrupted" in launched("status")

    launched.slow.unlink()
    launched("launch")
    followed = launched("logs")
    assert "[2/2] digits / small_cnn / halved" in followed
    whole = json.loads(launched("logs", "--json"))
    assert whole["job"]["status"] == "SUCCEEDED" and whole["output"].split() == followed.split()
    assert ": succeeded, submitted" in launched("status") and "2 done" in launched("status")
    frame = Store(str(launched.store)).trials().set_index("key")
    assert frame["resumed_from_epoch"].to_dict() == kept
    assert set(frame["source_commit"]) == {launched.commit}
    plugin = launched.sweep.with_name("halved.py")
    assert set(frame["source_loss"]) == {hashlib.sha256(plugin.read_bytes()).hexdigest()}
    # The same as on the machine of the one who launched it.
    trials = [("halved", 0), ("halved", 1)]
    here = trained_alone(launched.command, tmp_path / "here", 12, *trials, plugins=[str(plugin)])
    assert here.equals(numbers(launched.store))


SEARCH = """
name: launched
plugins: [halved.py]
dataset: digits
model: mlp
losses: [halved, focal: {gamma: {low: 0, high: 5}}]
training: {epochs: 1}
trials: 3
run: {watch: [], gpus_per_trial: 1, cpus_per_trial: 0.5}
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_launched_search_leaves_the_sweep_file_to_the_same_command_here(launched: Launched) -> None:
    # Its name is that of the sweep above: they are two jobs nevertheless.
    file = launched.sweep.with_name("search.yaml")
    file.write_text(SEARCH, encoding="utf-8")
    search = dataclasses.replace(launched, sweep=file)
    launched.slow.unlink(missing_ok=True)
    assert "no job of this sweep and store" in search("logs", code=2)
    for options, told in ((["--set", "training.epochs=2"], "--set"), (["--retry-failed"], "--retry-failed")):
        assert f"calibsweep: {told}" in search("launch", *options, code=2)
    assert "launched: 3 trials, launched as calibsweep-launched-" in search("launch")
    output = search("logs")
    here = ("search", str(file), "--store", str(launched.store))
    assert f"Next, on your machine:\n  calibsweep {' '.join(here)}\n" in output
    status = search("status")
    assert ": succeeded, submitted" in status and "launched: 3 trials, 3 known, 0 running." in status
    assert "3 known before" in launched.command(*here)
    assert "name: launched-best\n" in (launched.command.folder / "launched-best.yaml").read_text()


def test_what_is_shipped_is_the_code_and_nothing_else() -> None:
    with shipped("quickstart") as (folder, sweep_file, plugins):
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert (folder / sweep_file).read_text().startswith("# ") and not plugins
    floors = {name.partition("/")[0] for name in names}
    assert floors == {"orchestrator", "results", "sweeps", "trainables", LAUNCHED, ONCE}
    assert {"trainables/losses/focal.py", "orchestrator/cli.py"} <= names
    assert not any("__pycache__" in name or "recorded" in name for name in names)


def test_what_ray_refuses_is_told_in_a_line() -> None:
    with pytest.raises(ConfigurationError, match="returned an error: RPC error"), reaching("auto"):
        raise AuthenticationError("RPC error: InvalidAuthToken")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--store", "s3://bucket/x"), "give a cluster: --cluster FILE"),
        (("--store", "s3://bucket/x", "--cluster", "a", "--address", "http://b"), "give a cluster"),
        (
            ("--store", "s3://bucket/x", "--address", "gopher://head:10001"),
            "--address must be auto, ray://HOST:10001",
        ),
        (
            ("--store", "results", "--address", "http://127.0.0.1:1"),
            "--store results: on a cluster it must be",
        ),
        (
            ("--store", "/r", "--data", "d", "--address", "http://127.0.0.1:1"),
            "--data d: on a cluster it must be",
        ),
        (
            ("--store", "/r", "--address", "http://127.0.0.1:1"),
            "http://127.0.0.1:1 returned an error",
        ),
        (("--store", "/r", "--cluster", "nowhere.yaml"), "no such cluster file: 'nowhere.yaml'"),
    ],
)
def test_what_cannot_be_launched_is_told_in_a_line(
    options: tuple[str, ...], told: str, calibsweep: Command
) -> None:
    output = calibsweep("launch", "quickstart", *options, code=2)
    assert told in output and output.count("\n") == 1
