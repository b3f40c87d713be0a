"""Draws the figures of a sweep from its store. Loads torch only for calibrators and images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.figures import files, kinds
from results.figures.data import Calibrate, Cell, Images, Logits, Part, Results, Trial
from results.figures.errors import NothingToDrawError
from results.figures.kinds import Kind
from results.figures.reading import cells_of
from results.scoring.scores import criterion_of, temperature_by
from results.statistics.binned import Floats, Ints
from results.store.place import redacted
from results.store.store import Store
from sweeps.expand import Sweep, expected_frame, load
from trainables.catalogue import CALIBRATORS, DATASETS
from trainables.errors import ConfigurationError, DataError
from trainables.texts import closest


@dataclass(frozen=True)
class DrawnFile:
    """Attributes:
    figure: Name of the figure.
    file: The written file.
    title: One line.
    source: The published figure, section or equation that it redraws; empty for our own.
    """

    figure: str
    file: Path
    title: str
    source: str


@dataclass(frozen=True)
class Drawn:
    """Attributes:
    files: The written files.
    omitted: Why a figure was not drawn, by its name.
    """

    files: tuple[DrawnFile, ...]
    omitted: dict[str, str]


def figures(
    sweep: str,
    store: str = "store",
    names: Sequence[str] = (),
    *,
    folder: Path | str = "figures",
    format: str = "svg",
    losses: Sequence[str] = (),
    seed: int | None = None,
    epoch: int | None = None,
    calibrator: str | None = None,
    overrides: Sequence[str] = (),
    data: Path | str | None = None,
) -> Drawn:
    """Draws the figures of a sweep into a folder, one file for each picture.

    Args:
        sweep: A sweep file, or the name of a bundled one.
        names: Names of figures (default: all that its results suffice for).
        folder: Made if it does not exist. Files of the same name are replaced.
        format: 'svg' or 'pdf'.
        losses: Only these losses, by their labels in the sweep.
        seed: The seed of figures of single trials (default: the smallest that all losses have).
        epoch: Only figures that can show any epoch, of this one, from 1 (default: the reported one).
        calibrator: The calibrator of 'after' (default: temperature scaling by the protocol's criterion).
        overrides: Settings of the sweep, as for `--set`.
        data: The folder of the data sets, for images (default: ~/.cache/calibsweep/data).

    Raises:
        ConfigurationError: A name is unknown, no trial is finished, or the results lack something that a
            named figure needs.
        StoreError: The store or the folder cannot be read or written.
    """
    chosen = kinds.chosen(tuple(names))
    _check_format(format)
    if calibrator is not None and calibrator not in CALIBRATORS.names():
        raise ConfigurationError(
            f"unknown calibrator {calibrator!r}.{closest(calibrator, CALIBRATORS.names())}"
        )
    if epoch is not None:
        chosen = _of_any_epoch(chosen, named=bool(names))
        if calibrator is not None and criterion_of(calibrator) is None:
            raise ConfigurationError(
                f"--calibrator {calibrator} and --epoch exclude each other: curves have bins at temperatures "
                "alone."
            )
    loaded = load(sweep, list(overrides))
    expected = expected_frame(loaded.trials)
    known = [*dict.fromkeys(expected["loss"])]
    for loss in losses:
        if loss not in known:
            raise ConfigurationError(f"{sweep} has no loss {loss!r}.{closest(loss, known)}")
    opened = Store(store)
    results = Results()
    if not all(kind.of_theory for kind in chosen):
        opened.check_place()
        by = calibrator or temperature_by(loaded.temperature_criterion)
        criterion = criterion_of(by)
        results = Results(
            cells_of(opened, opened.snapshot(loaded.trials), expected, losses),
            criterion=criterion or loaded.temperature_criterion,
            calibrator=CALIBRATORS[by].spec.title,
            calibrate=None if criterion else fitted(by),
            seed=seed,
            epoch=epoch,
            images=images_of(loaded, Path(data) if data else None),
        )
    subject = f"Sweep {loaded.name}, store {redacted(opened.uri)}"
    return drawn(chosen, results, Path(folder), format, subject, named=bool(names))


def _of_any_epoch(chosen: Sequence[Kind], *, named: bool) -> list[Kind]:
    """The figures among these that can show any epoch; an error for one that was named and cannot."""
    able = [kind for kind in chosen if kind.of_any_epoch]
    for kind in chosen:
        if named and kind not in able:
            every = ", ".join(each.name for each in kinds.chosen(()) if each.of_any_epoch)
            raise ConfigurationError(f"{kind.name} cannot show any epoch: --epoch is for {every}.")
    return able


def of_logits(
    name: str,
    parts: Mapping[str, tuple[Any, Any]],
    scores: Mapping[str, float],
    folder: Path,
    format: str = "svg",
) -> Drawn:
    """Draws the reliability of logits, and their ECE and NLL against the temperature.

    Args:
        name: Names them in titles and files.
        parts: Logits [N, K] and labels [N] of 'test' and perhaps 'val'.
        scores: With 'temperature_ece', if there is a validation part.

    Raises:
        DataError: The folder cannot be written.
    """
    _check_format(format)
    known = {
        {"val": "validation"}.get(part, part): Part(logits, labels, labels)
        for part, (logits, labels) in parts.items()
    }
    trial = Trial(key="", dataset="", model="", loss=name, seed=0, scores=scores, given=known)
    results = Results([Cell("", "", "", (trial,))], calibrator=CALIBRATORS[temperature_by("ece")].spec.title)
    return drawn(kinds.chosen(("reliability", "temperature")), results, folder, format, name, named=False)


def drawn(
    chosen: Sequence[Kind], results: Results, folder: Path, format: str, subject: str, *, named: bool
) -> Drawn:
    """Draws figures into a folder.

    Args:
        subject: The origin of the results, for the files' metadata.
        named: Whether a figure that cannot be drawn is an error.

    Raises:
        ConfigurationError: As in `figures`.
        DataError: The folder cannot be written.
    """
    written: list[DrawnFile] = []
    omitted: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for kind in chosen:
        try:
            for name, title, content in _files(kind, results, format, subject):
                # Labels may differ in letters alone that no file's name has.
                taken[name] += 1
                stem, _, ending = name.rpartition(".")
                path = folder / (name if taken[name] == 1 else f"{stem}-{taken[name]}.{ending}")
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                except OSError as error:
                    raise DataError(f"cannot write {path}: {error.strerror}.") from error
                written.append(DrawnFile(kind.name, path, title, kind.source))
        except NothingToDrawError as error:
            if named:
                raise ConfigurationError(f"{kind.name}: {error}") from error
            omitted[kind.name] = str(error)
    return Drawn(tuple(written), omitted)


def _files(kind: Kind, results: Results, format: str, subject: str) -> Iterator[tuple[str, str, bytes]]:
    from results.figures.style import styled

    # Each picture is drawn and freed before the next: a sweep may have hundreds.
    with styled():
        for picture in kind.pictures(results):
            content = files.written(picture, format, subject)
            yield files.name_of(kind, picture, format), picture.title, content


def _check_format(format: str) -> None:
    if format not in files.FORMATS:
        raise ConfigurationError(f"unknown format {format!r}.{closest(format, files.FORMATS)}")


def fitted(calibrator: str) -> Calibrate:
    """A function that fits a calibrator to a validation part and applies it to logits."""

    def calibrate(validation: Part, logits: Logits) -> Floats:
        import torch

        from trainables.calibrators import fit

        made = fit(
            calibrator,
            torch.from_numpy(validation.logits),
            torch.from_numpy(validation.labels),
            class_counts=validation.class_counts,
        )
        found: Floats = made.log_probabilities(torch.from_numpy(logits)).numpy()
        return found

    return calibrate


def images_of(sweep: Sweep, root: Path | None) -> Images:
    """A function that reads images of test samples from the data sets of a sweep.

    It raises NothingToDrawError if a data set is not there: other figures do without.
    """

    def images(trial: Trial, sample_ids: Ints) -> Floats | None:
        dataset = next(each.dataset for each in sweep.trials if each.dataset.label == trial.dataset)
        if DATASETS[dataset.name].spec.input != "image":
            return None
        import torch

        from trainables.datasets import load as load_dataset

        try:
            test = load_dataset(dataset.name, root, **dataset.arguments()).test
        except DataError as error:
            raise NothingToDrawError(str(error)) from error
        places = {int(each): place for place, each in enumerate(test.sample_ids.tolist())}
        inputs, _ = test.batch(torch.tensor([places[int(each)] for each in sample_ids]))
        # Normalised for the network: its channels are mapped back to the whole range together.
        pixels = (inputs - inputs.amin(dim=(1, 2, 3), keepdim=True)).double()
        pixels /= pixels.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
        found: Floats = pixels.permute(0, 2, 3, 1).numpy()
        return found[..., 0] if found.shape[-1] == 1 else found

    return images
