"""A torchvision of another build than torch is told in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainables.builds import check_builds
from trainables.errors import ConfigurationError


def test_a_torchvision_of_another_build_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "torchvision.py"
    other.write_text("raise RuntimeError('operator torchvision::nms does not exist\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(ConfigurationError, match="torchvision::nms") as refused:
        check_builds()
    assert "\n" not in str(refused.value)
    other.write_text("__version__ = '0'")
    sys.modules.pop("torchvision", None)
    sys.path_importer_cache.clear()
    check_builds()
    sys.modules.pop("torchvision", None)
