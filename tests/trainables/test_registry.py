"""The registry reads components off their files, and says in one line what is wrong with one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS
from trainables.errors import ConfigurationError
from trainables.registry import REQUIRED, Registry, closest
from trainables.registry.specs import LossSpec, MetricSpec, read_spec
from trainables.values import coerced

Make = Callable[..., Registry[LossSpec]]

FOCAL = '''
from trainables.registry import register

class Base: ...

@register("focal", version=3, spec={"softmax": False})
@register("focal_1", gamma=1)
@register("focal_2", gamma=2.0)
class Focal(Base):
    """Down-weights easy samples.

    Second paragraph.
    """

    def __init__(self, gamma: float, *, detached: bool = False, reduction: str = "sum"):
        self.gamma, self.detached, self.reduction = gamma, detached, reduction
'''


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Writes files of a package and gives the registry that reads it."""
    name = f"made_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")

    def write(**files: str) -> Registry[LossSpec]:
        folder = tmp_path / name
        folder.mkdir()
        for stem, text in {"__init__": "", **files}.items():
            (folder / f"{stem}.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        return Registry("loss", name, f"{name}.focal:Base", LossSpec, context=["reduction", "root"])

    return write


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        act()
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_reads_marks_without_importing(make: Make) -> None:
    registry = make(focal=FOCAL)
    assert registry.names() == ["focal", "focal_1", "focal_2"]
    entry = registry["focal_1"]
    assert (entry.component, entry.preset, entry.version, entry.spec) == (
        "focal", {"gamma": 1}, 3, LossSpec(softmax=False),
    )  # fmt: skip
    assert entry.summary == "Down-weights easy samples."
    assert {name: p.annotation for name, p in entry.parameters.items()} == {
        "gamma": "float",
        "detached": "bool",
    }
    assert entry.parameters["gamma"].default is REQUIRED
    assert len(entry.source_digest) == 64
    assert entry.module not in sys.modules


def test_builds_with_values_of_the_context(make: Make) -> None:
    registry = make(focal=FOCAL)
    focal = registry.build("focal_2", reduction="mean", root="/not/taken")
    assert (focal.gamma, focal.detached, focal.reduction) == (2.0, False, "mean")
    assert "'gamma'" in refusal(lambda: registry.build("focal"))


def test_context_reaches_inherited_constructors(make: Make) -> None:
    # A loss without parameters of its own inherits `reduction`; losing it would silently change the training.
    registry = make(
        focal="class Base:\n    def __init__(self, reduction='sum'):\n        self.reduction = reduction\n",
        plain="from trainables.registry import register\nfrom .focal import Base\n"
        "@register('plain')\nclass Plain(Base):\n    state: list\n",
    )
    assert registry["plain"].parameters == {}
    assert registry.build("plain", reduction="mean").reduction == "mean"


def test_reads_parameters_of_functions_dataclasses_and_bases(make: Make) -> None:
    registry = make(
        several="""
@register("function")
def function(a: int, /, b: "str" = "x", *, root=default_root(), c=-1): ...

class Shared:
    def __init__(self, depth: int = 3): ...

@register("child")
class Child(Shared):
    weight: Tensor

@dataclasses.dataclass(frozen=True)
class Rules:
    drops: tuple[int, ...] = (150, 250)
    shift: int = 0

@register("stricter")
@dataclass
class Stricter(Rules):
    shift: int = 1
"""
    )
    defaults = {
        name: {k: p.default for k, p in registry[name].parameters.items()} for name in registry.names()
    }
    assert defaults == {
        "function": {"a": REQUIRED, "b": "x", "c": -1},
        "child": {"depth": 3},
        "stricter": {"drops": (150, 250), "shift": 1},
    }


def test_resolves_to_one_form(make: Make) -> None:
    registry = make(focal=FOCAL)
    assert registry.resolve("focal", {"gamma": 1}) == {"gamma": 1.0, "detached": False}
    assert registry.resolve("focal_1") == registry.resolve("focal_1", {"gamma": 1.0})
    assert repr(registry.resolve("focal", {"gamma": -0.0})["gamma"]) == "0.0"


def test_labels_are_the_shortest_names(make: Make) -> None:
    registry = make(focal=FOCAL)

    def label(**params: object) -> str:
        return registry.label("focal", registry.resolve("focal", params))

    assert label(gamma=2) == "focal_2"
    assert label(gamma=2.5) == "focal(gamma=2.5)"
    assert label(gamma=1, detached=True) == "focal(gamma=1,detached=True)"
    # Two losses may not share a label, however close their parameters are.
    assert label(gamma=2.0000001) != label(gamma=2.0000002)


def test_where_all_names_have_presets_each_is_a_component(make: Make) -> None:
    registry = make(
        nets="@register('deep', version=2, depth=9)\n@register('flat', depth=1)\n"
        "def net(depth: int, width: int = 8): ..."
    )
    assert [(registry[n].component, registry[n].version) for n in ("deep", "flat")] == [
        ("deep", 2),
        ("flat", 1),
    ]
    assert registry.label("deep", registry.resolve("deep")) == "deep"
    assert registry.label("deep", registry.resolve("deep", {"width": 4})) == "deep(width=4)"
    # What a trial records of a component is enough to build it again.
    assert registry.resolve("flat", registry.resolve("flat")) == {"depth": 1, "width": 8}
    assert refusal(lambda: registry.resolve("flat", {"depth": 2})) == "loss 'flat' fixes depth = 1."


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("focl", {}, "unknown loss 'focl'. Did you mean 'focal'?"),
        ("x", {}, "unknown loss 'x'. Available: focal, focal_1, focal_2."),
        ("focal", {"gama": 1}, "loss 'focal' has no parameter 'gama'. Did you mean 'gamma'?"),
        ("focal", {"gamma": 1, "reduction": "sum"},
         "loss 'focal' has no parameter 'reduction'. Available: detached, gamma."),
        ("focal", {}, "loss 'focal' needs a value for 'gamma'."),
        ("focal", {"gamma": "1"}, "loss 'focal': gamma must be a number, not '1'."),
        ("focal", {"gamma": True}, "loss 'focal': gamma must be a number, not True."),
        ("focal", {"gamma": float("inf")}, "loss 'focal': gamma must be finite, not inf."),
        ("focal_1", {"gamma": 2}, "loss 'focal_1' fixes gamma = 1; for another value use 'focal'."),
        ("focal_1", {"detached": 1}, "loss 'focal_1': detached must be true or false, not 1."),
    ],
)  # fmt: skip
def test_unknown_names_are_refused(name: str, params: dict[str, object], expected: str, make: Make) -> None:
    registry = make(focal=FOCAL)
    assert refusal(lambda: registry.resolve(name, params)) == expected


@pytest.mark.parametrize(
    ("source", "line", "named"),
    [
        ("class Broken(:", 1, "invalid syntax"),
        ("@register('x', gamma=2 ** 0.5)\ndef x(gamma: float): ...", 1, "@register"),
        ("@register(5)\ndef x(): ...", 1, "@register"),
        ("@register('x', 'y')\ndef x(): ...", 1, "@register"),
        ("@register('x', gama=2.0)\ndef x(gamma: float): ...", 2, "'x' fixes 'gama'.*'gamma'"),
        ("@register('x')\n@register('y', version=2, gamma=2.0)\ndef x(gamma: float): ...", 3,
         r"'y' belong on the mark @register\('x'\)"),
        ("@register('x')\ndef x(\n    gamma: float = math.pi): ...", 3, "the default 'math.pi'"),
        ("@register('x')\nclass X:\n    def __init__(self, **options): ...", 3, "kwargs"),
    ],
)  # fmt: skip
def test_a_refused_file_is_named_with_its_line(source: str, line: int, named: str, make: Make) -> None:
    registry = make(broken=source)
    place, _, message = refusal(registry.names).partition(", ")
    assert Path(place).name == "broken.py"
    assert re.match(rf"line {line}: .*{named}", message)


@pytest.mark.parametrize(
    ("spec", "values", "named"),
    [
        (LossSpec, {"softmx": False}, "softmax"),
        (LossSpec, {"softmax": 0}, "softmax"),
        (LossSpec, {"example": 2.0}, "example"),
        (LossSpec, ["softmax"], "mapping"),
        (MetricSpec, {"title": "ECE", "unit": "percent"}, "meaning"),
        (MetricSpec, {"meaning": "", "title": "ECE", "unit": "per cent", "direction": "lower"}, "percent"),
    ],
)
def test_refuses_a_spec_with_a_wrong_entry(spec: type, values: object, named: str) -> None:
    line = refusal(lambda: read_spec(spec, values, "a.py, line 7"))
    assert line.startswith("a.py, line 7: ") and named in line


@pytest.mark.parametrize(
    "name",
    ["", "x\x1b[31m", "a\u202eb", "a\u200bb", "x\n", "a/b", "..", "<b>", "=1+1", "größe", "a b", "a" * 201],
    ids=ascii,
)
def test_refuses_names_that_no_sweep_could_have(name: str, make: Make) -> None:
    registry = make(broken=f"import math\n\n@register({name!r})\ndef x(): ...")
    line = refusal(registry.names)
    assert "broken.py, line 3: the name of a loss may have " in line and line.isprintable()


def test_texts_among_parameters_are_shown_in_labels(make: Make) -> None:
    registry = make(written="@register('written')\ndef written(how: str = 'x'): ...")
    label = registry.label("written", {"how": "\x1b[31m\u202e\r\n"})
    assert label == r"written(how=\x1b[31m\u202e\r\n)"


def test_refuses_one_name_for_two(make: Make) -> None:
    registry = make(focal=FOCAL, other="@register('focal_1')\ndef other(): ...")
    assert refusal(registry.names) == (
        "two components are registered as loss 'focal_1', in focal.py and in other.py: rename one."
    )


def test_components_of_another_kind_are_refused(make: Make) -> None:
    registry = make(
        focal=FOCAL, other="from trainables.registry import register\n@register('other')\nclass Other: ..."
    )
    assert refusal(lambda: registry.build("other")) == (
        f"loss 'other' in other.py is not a Base: make it a subclass of {registry.base}."
    )


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, "float", 1.0),
        (3.0, "int", 3),
        (None, "float | None", None),
        (1, "None | int | float", 1.0),
        ([1, 2.0], "tuple[int, ...]", (1, 2)),
        ([], "tuple[int, ...]", ()),
        ([1, [2, 3]], "tuple[float, tuple[int, ...]]", (1.0, (2, 3))),
        (None, "tuple[int, ...] | None", None),
        ("sum", "Literal['sum', 'mean']", "sum"),
        ("ece", "Criterion", "ece"),
        ([1, [2]], "", (1, (2,))),
    ],
)
def test_coerces(value: object, annotation: str, expected: object) -> None:
    result = coerced(value, annotation, "x")
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1.5, "int", "x must be a whole number, not 1.5."),
        (None, "int", "x must be a whole number, not None."),
        ("x", "float | None", "x must be a number or null, not 'x'."),
        (3, "tuple[int, ...]", "x must be a list of whole numbers, not 3."),
        ([1], "tuple[float, float]", "x must be a list of 2 numbers, not [1]."),
        ([1, "a"], "tuple[int, ...]", "x[1] must be a whole number, not 'a'."),
        ("max", "Literal['sum', 'mean']", "x must be 'sum' or 'mean', not 'max'."),
        (True, "Literal[1, 2]", "x must be 1 or 2, not True."),
        ({}, "Criterion", "x must be text, a number, true, false, null or a list of these, not {}."),
    ],
)
def test_refuses_values_of_another_type(value: object, annotation: str, expected: str) -> None:
    assert refusal(lambda: coerced(value, annotation, "x")) == expected


def test_closest_lists_the_known_names() -> None:
    assert closest("brier_score", ["brier", "mmce"]) == " Did you mean 'brier'?"
    assert closest("x", []) == " Available: none."


def test_every_component_that_exists_can_be_read() -> None:
    for registry in (DATASETS, MODELS, LOSSES, PROTOCOLS):
        for name in registry.names():
            entry = registry[name]
            assert entry.summary.endswith("."), f"{name}: its docstring starts with one sentence"
            if all(p.default is not REQUIRED or k in entry.preset for k, p in entry.parameters.items()):
                # A name and its resolved parameters name the same component again.
                assert registry.resolve(entry.component, registry.resolve(name)) == registry.resolve(name)
