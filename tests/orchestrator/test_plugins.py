"""Plug-ins on the command line and in sweep files, and on their way to drivers and workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cluster.jobs import LAUNCHED, shipped
from orchestrator.command_line import base, copied
from orchestrator.command_line.base import app
from orchestrator.driver.provided import difference, provided
from orchestrator.use_cases.check_loss import check_loss
from orchestrator.use_cases.plugins import add_plugins
from sweeps.expand import load
from trainables import source
from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError
from trainables.registry import sources
from trainables.registry.plugins import PLUGINS
from trainables.resolve import resolve

from .conftest import installed_package

LOSS = '''
from torch.nn import functional

from trainables.losses.base import Loss
from trainables.registry import register


@register("halved")
class Halved(Loss):
    """Half the cross-entropy."""

    def per_sample(self, logits, labels):
        return 0.5 * functional.cross_entropy(logits, labels, reduction="none")
'''

MODEL = '''
from torch import nn

from trainables.registry import register


@register("one_layer", spec={"input": "image"})
def one_layer(num_classes: int, input_shape) -> nn.Module:
    """A single layer."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))
'''

SWEEP = """
name: with_plugins
plugins: [../mine/halved.py]
seeds: [0, 1]
run: {watch: []}
training: {epochs: 2}
blocks:
  - {datasets: [digits], models: [one_layer], losses: [halved, cross_entropy]}
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep file, with a plug-in that it names and one beside it that it does not."""
    monkeypatch.setattr(PLUGINS, "_files", ())
    monkeypatch.setattr(base, "given_plugins", base.given_plugins)
    for name, text in {"mine/halved.py": LOSS, "one_layer.py": MODEL, "sweeps/mine.yaml": SWEEP}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "sweeps" / "mine.yaml"


def test_a_sweep_file_names_plugins_beside_it(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown model 'one_layer'"):
        load(sweep)
    PLUGINS.add([tmp_path / "one_layer.py"])
    assert {trial.loss.name for trial in load(sweep).trials} == {"halved", "cross_entropy"}


@pytest.mark.parametrize(
    ("plugins", "named"),
    [
        ("[../mine/halvd.py]", "Did you mean 'halved.py'"),
        ("[/mine/halved.py]", "plugins[0]: '/mine/halved.py' must be relative"),
        ("halved.py", "plugins: must be a list"),
        ("[3]", "plugins[0]: must be text"),
    ],
)
def test_a_wrong_plugin_is_named_with_its_path(plugins: str, named: str, sweep: Path) -> None:
    sweep.write_text(SWEEP.replace("[../mine/halved.py]", plugins), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load(sweep)
    assert any(named in line for line in refused.value.lines), refused.value.lines


def test_shipped_files_read_as_they_do_here(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PLUGINS.add([tmp_path / "one_layer.py"])
    keys = [trial.key for trial in load(sweep).trials]
    with shipped(str(sweep)) as (folder, file, plugins):
        assert file == Path(LAUNCHED, "sweeps", "mine.yaml")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(PLUGINS, "_files", ())
        PLUGINS.add(plugins)
        assert [trial.key for trial in load(file).trials] == keys
        assert all(plugin.path.is_relative_to(folder.resolve()) for plugin in PLUGINS.files)


def test_check_loss_takes_a_file(sweep: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(LOSS.replace('"none"', '"sum"'), encoding="utf-8")
    codes = []
    for path in (tmp_path / "mine" / "halved.py", wrong, tmp_path / "one_layer.py"):
        PLUGINS._files = ()
        try:
            codes.append(bool(check_loss(str(path)).findings))
        except ConfigurationError:
            codes.append(None)
    assert codes == [False, True, None]


def test_in_python_plugins_are_added_all_or_none(sweep: Path, tmp_path: Path) -> None:
    good, broken = tmp_path / "mine" / "halved.py", tmp_path / "broken.py"
    broken.write_text(MODEL.replace("one_layer", "mlp"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="'mlp'"):
        add_plugins(good, broken)
    assert not PLUGINS.files and "halved" not in LOSSES.names()
    assert add_plugins(good, tmp_path / "one_layer.py").components == {
        "model": ("one_layer",),
        "loss": ("halved",),
    }
    assert "halved" in LOSSES.names()


def test_lines_to_be_copied_name_the_plugins_again(sweep: Path, tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["list", "models", "--plugin", str(tmp_path / "one_layer.py")])
    assert listed.exit_code == 0 and "one_layer" in listed.output
    line = copied.typed("run", {"sweep": str(sweep)})
    assert line == f"calibsweep run {sweep} --plugin {tmp_path / 'one_layer.py'}"
    CliRunner().invoke(app, ["list", "models"])
    assert "--plugin" not in copied.typed("run", {"sweep": str(sweep)})


def test_a_worker_compares_the_components_that_packages_provide(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(version: str | None, text: str = LOSS) -> None:
        """A worker with this version of the package, or without it."""
        sources._entry_points.cache_clear()
        source.digest.cache_clear()
        monkeypatch.setattr(LOSSES, "_entries", None)
        if (folder := tmp_path / "packages").exists():
            shutil.rmtree(folder)
        if version:
            installed_package(folder, version, text)

    monkeypatch.syspath_prepend(tmp_path / "packages")
    # Monkeypatch restores in reverse order, so that the registry is read again without the package.
    monkeypatch.setattr(LOSSES, "_entries", None)
    installed("1.2")
    PLUGINS.add([tmp_path / "one_layer.py"])
    trials = [resolve("digits", "one_layer", loss, 0) for loss in ("halved", "brier")]
    (needed,) = provided(trials)
    assert needed[:3] == ("loss", "halved", "their-losses 1.2")
    assert not provided(trials[1:])
    assert difference([needed]) == ""

    for version, text, named in (
        (None, "", ["their-losses 1.2", "loss 'halved'"]),
        ("1.3", LOSS, ["from their-losses 1.3", "from their-losses 1.2"]),
        ("1.2", LOSS.replace("0.5", "0.4"), ["their-losses 1.2 differs", "loss 'halved'"]),
    ):
        installed(version, text)
        found = difference([tuple(needed)])
        assert all(part in found for part in named), found
    installed(None)
