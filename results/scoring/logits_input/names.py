"""Assigns arrays to parts and roles, by `--names` or by the words in their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from results.scoring.logits_input.arrays import Array, PartName, Role
from results.scoring.logits_input.notes import Note, shortened
from trainables.errors import ConfigurationError, InputError
from trainables.registry import closest

ROLES: tuple[Role, ...] = ("logits", "labels")
KEYS = ("logits", "labels", "val_logits", "val_labels", "test_logits", "test_labels", "val", "test")

PART_WORDS: dict[str, PartName] = {
    **dict.fromkeys(("val", "valid", "validation", "dev", "calib", "calibration"), "val"),
    **dict.fromkeys(("test", "tst", "testing"), "test"),
    **dict.fromkeys(("train", "training"), "train"),
}

LOGIT_WORDS = (
    {"logit", "logits"},
    {"output", "outputs", "score", "scores", "z"},
    {"prob", "probs", "probability", "probabilities", "softmax", "softmaxes", "proba"},
    {"pred", "preds", "prediction", "predictions", "hat"},
)
"""Words for the output of a network, the most certain first. Beside logits, `predictions` are classes."""

PROBABILITIES, PREDICTIONS = 2, 3
"""Their positions in `LOGIT_WORDS`."""

LABEL_WORDS = {
    *("label", "labels", "target", "targets", "class", "classes"),
    *("true", "truth", "truths", "gt", "groundtruth"),
}
WEAK_LABEL_WORDS = {"y"}
"""Words for labels, unless another word contradicts, as in y_pred."""

POSITIONS: tuple[tuple[str, ...], ...] = (
    ("logits", "labels"),
    ("val_logits", "val_labels", "test_logits", "test_labels"),
)
UNNAMED = re.compile(r"(?:arr_)?(\d)(?:_(\d))?")
"""Arrays without a name: in a tuple, or passed to numpy.savez by position."""


@dataclass(frozen=True)
class Names:
    """The value of `--names`.

    Attributes:
        given: Name in the files for each of `KEYS` that was given; for `val` and `test` that of a file.
    """

    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parsed(cls, options: Iterable[str]) -> Names:
        """`logits=predictions,labels=ground truth`, several times if need be.

        Raises:
            ConfigurationError: An unknown key, one given twice, or one without a name.
        """
        given: dict[str, str] = {}
        for option in options:
            # A name may have a comma in it; only the next key ends it.
            for piece in re.split(r",(?=\s*\w+\s*=)", option):
                key, equals, name = (text.strip() for text in piece.partition("="))
                if not equals or not name:
                    raise ConfigurationError(
                        f"--names takes KEY=NAME, as in logits=predictions, not {piece!r}."
                    )
                if key not in KEYS:
                    raise ConfigurationError(f"--names knows no {key!r}.{closest(key, KEYS)}")
                if given.get(key, name) != name:
                    raise ConfigurationError(f"--names gives {key!r} twice: {given[key]!r} and {name!r}.")
                given[key] = name
        return cls(given)

    def of(self, role: Role) -> list[str]:
        """All names given for logits, or for labels."""
        return [name for key, name in self.given.items() if key.endswith(role)]


@dataclass(frozen=True)
class Pair:
    """The two arrays of one part, unread."""

    logits: Array
    labels: Array


def words(name: str) -> list[str]:
    """'valLogits_2' -> ['val', 'logits', '2']."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def part_of(name: str) -> PartName | None:
    """The part that a name states, if it is exactly one."""
    found = {PART_WORDS[word] for word in words(name) if word in PART_WORDS}
    return found.pop() if len(found) == 1 else None


def role_of(name: str) -> tuple[Role, int] | None:
    """The role that a name suggests, and its rank: 0 is the most certain."""
    found = set(words(name))
    sureness = [place for place, known in enumerate(LOGIT_WORDS) if found & known]
    if found & LABEL_WORDS:
        return None if sureness else ("labels", 0)
    if sureness:
        return "logits", sureness[0]
    return ("labels", 1) if found & WEAK_LABEL_WORDS else None


@dataclass(frozen=True)
class _Candidate:
    """An array, its name, and its part if known."""

    array: Array
    name: str
    part: PartName | None


def chosen(
    arrays: Sequence[Array], names: Names, *, probabilities: bool = False
) -> tuple[dict[str, Pair], list[Note]]:
    """The arrays of the parts: 'val' and 'test', or the latter alone.

    Args:
        probabilities: Whether a file that has both logits and probabilities is asked for the latter.

    Raises:
        ConfigurationError: An unknown name in `names`.
        InputError: The roles of the arrays are ambiguous.
    """
    candidates = _candidates(arrays, names)
    given = _given(candidates, names)
    rest = [candidate for candidate in candidates if candidate.array not in given.values()]
    found = dict(given)
    for part in (None, "val", "test"):
        for role in ROLES:
            if (part, role) not in given:
                one = _surest([each for each in rest if each.part == part], role, probabilities)
                if one is not None:
                    found[part, role] = one
    for role in ROLES:
        # Arrays without a part belong to the test part.
        unclear = found.pop((None, role), None)
        if unclear is not None:
            found.setdefault(("test", role), unclear)
    validation, test = (_pair(part, found, arrays) for part in ("val", "test"))
    if test is None:
        if validation is None:
            raise _unclear("no array is named like logits or labels", arrays)
        raise InputError(
            f"{_files(arrays)}: only a validation part, but scores need a test part; "
            "use it as the test part with --names test=FILE, or test_logits=NAME,test_labels=NAME."
        )
    pairs = {"test": test} if validation is None else {"val": validation, "test": test}
    return pairs, _notes(pairs, candidates)


def _candidates(arrays: Sequence[Array], names: Names) -> list[_Candidate]:
    files = list(dict.fromkeys(array.file for array in arrays))
    several_folders = len({file.parent for file in files}) > 1
    of_file = {
        file: part_of(file.stem) or (part_of(file.parent.name) if several_folders else None) for file in files
    }
    part: PartName
    for part in ("val", "test"):
        if part in names.given:
            of_file[_file(files, names.given[part])] = part
    candidates = []
    for file in files:
        own = [array for array in arrays if array.file == file]
        by_place = _by_place([array.name for array in own])
        for array in own:
            name = by_place.get(array.name, array.name)
            candidates.append(_Candidate(array, name, array.part or part_of(name) or of_file[file]))
    return candidates


def _by_place(names: Sequence[str]) -> dict[str, str]:
    """Roles of unnamed arrays by their usual order: logits before labels, test last."""
    if not all(UNNAMED.fullmatch(name) for name in names):
        return {}
    ordered = sorted(names)
    meant = next((each for each in POSITIONS if len(each) == len(ordered)), ())
    return dict(zip(ordered, meant, strict=False))


def _file(files: Sequence[Path], name: str) -> Path:
    found = [file for file in files if name in (str(file), file.name, file.stem)]
    if not found:
        raise ConfigurationError(f"no file {name!r}.{closest(name, [file.name for file in files])}")
    if len(found) > 1:
        raise ConfigurationError(f"several files are named {name!r}: give --names the path.")
    return found[0]


def _given(candidates: Sequence[_Candidate], names: Names) -> dict[tuple[PartName | None, Role], Array]:
    """The arrays that `--names` names, by part and role."""
    found: dict[tuple[PartName | None, Role], Array] = {}
    for key, name in names.given.items():
        part_text, _, role_text = key.rpartition("_")
        if key in ("val", "test"):
            continue
        role: Role = "logits" if role_text == "logits" else "labels"
        named = [each for each in candidates if name in (each.array.name, each.name)]
        if not named:
            known = {each.array.name for each in candidates}
            raise ConfigurationError(f"no array {name!r} for {key}.{closest(name, known)}")
        part: PartName | None = "val" if part_text == "val" else "test"
        # `logits=...` means the array of that name in every part.
        of_parts = (
            {part: named}
            if part_text
            else {each: [one for one in named if one.part == each] for each in (None, "val", "test")}
        )
        if part_text and len(named) > 1:
            of_parts = {part: [each for each in named if each.part == part] or named}
        for of_part, those in of_parts.items():
            if len(those) > 1:
                raise InputError(
                    f"{_listed([each.array for each in those])} are all named {name!r}: "
                    "assign files to parts with --names val=FILE,test=FILE."
                )
            if those:
                found[of_part, role] = those[0].array
    return found


def _surest(candidates: Sequence[_Candidate], role: Role, probabilities: bool) -> Array | None:
    """The only array whose name suggests logits, or labels."""
    sureness: dict[Array, int] = {}
    for candidate in candidates:
        known = (candidate.array.role, 0) if candidate.array.role else role_of(candidate.name)
        if known is not None and known[0] == role:
            preferred = probabilities and role == "logits" and known[1] == PROBABILITIES
            sureness[candidate.array] = -1 if preferred else known[1]
    if not sureness:
        return None
    best = min(sureness.values())
    those = [array for array, sure in sureness.items() if sure == best]
    if len(those) > 1:
        files = len({array.file for array in those}) > 1
        mend = (
            "assign files to parts with --names val=FILE,test=FILE"
            if files
            else f"choose one with --names {role}=NAME"
        )
        raise InputError(f"{_listed(those)} may both be {role}: {mend}.")
    return those[0]


def _pair(
    part: PartName, found: Mapping[tuple[PartName | None, Role], Array], arrays: Sequence[Array]
) -> Pair | None:
    pair = {role: found[part, role] for role in ROLES if (part, role) in found}
    if not pair:
        return None
    missing = next((role for role in ROLES if role not in pair), None)
    if missing is not None:
        raise _unclear(f"no {part}_{missing}", arrays)
    return Pair(pair["logits"], pair["labels"])


def _unclear(problem: str, arrays: Sequence[Array]) -> InputError:
    """An error with the missing array, the existing ones, and the option that assigns them."""
    names = list(dict.fromkeys(array.name for array in arrays))
    keys = problem.removeprefix("no ") if problem.endswith(("_logits", "_labels")) else "logits=NAME,labels"
    return InputError(
        f"{_files(arrays)}: {problem} among {shortened(names)}. Name it with --names {keys}=NAME."
    )


def _notes(pairs: Mapping[str, Pair], candidates: Sequence[_Candidate]) -> list[Note]:
    taken = {
        f"{part}_{role}": array
        for part, pair in pairs.items()
        for role, array in zip(ROLES, (pair.logits, pair.labels), strict=True)
    }
    notes = []
    if any(array.name != key for key, array in taken.items()):
        notes.append(Note("names", ", ".join(f"{key} is {array}" for key, array in taken.items()) + "."))
    if any(candidate.part == "train" for candidate in candidates):
        notes.append(Note("train_left_out", "arrays of a training part are ignored."))
    if "val" not in pairs:
        line = "no validation part, so no temperature is fitted: scores are before scaling."
        notes.append(Note("test_alone", line))
    return notes


def _listed(arrays: Sequence[Array]) -> str:
    return " and ".join(str(array) for array in arrays)


def _files(arrays: Sequence[Array]) -> str:
    return shortened(list(dict.fromkeys(str(array.file) for array in arrays)), most=4)
