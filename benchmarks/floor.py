"""Lower bounds of a card: the seconds of an epoch, and the GPU-hours of a sweep.

    python benchmarks/floor.py [--sweep mukhoti2020] [--bytes-per-second 3.35e12] [--flops-per-second 989e12]

Computes the floor that trainables/floor.py describes, at the given rates. The defaults are from an H100's
data sheet (SXM: HBM3, dense bfloat16). An image costs a third as much in evaluation as in training.
Measures nothing.
"""

from __future__ import annotations

import argparse
import sys

import gpu_steps  # noqa: F401 - makes the source tree importable
from sweeps.expand import load
from trainables.builds import check_builds
from trainables.catalogue import DATASETS
from trainables.errors import CalibsweepError, DataError
from trainables.floor import Rates, work_of
from trainables.operations import BACKWARD
from trainables.trial import Trial


def epoch_seconds(trial: Trial, rates: Rates) -> tuple[float, float]:
    """The floor of a trial's epoch in seconds: for training, and for evaluating the validation and test part.

    Raises:
        DataError: The mark of the data set lacks the shape or number of its samples.
        ConfigurationError: The network needs torchvision, whose version does not match torch's.
    """
    samples = DATASETS[trial.dataset.name].spec.samples
    try:
        work = work_of(trial)
    except RuntimeError:
        check_builds()
        raise
    if work is None or samples is None:
        raise DataError(f"{trial.dataset.label} does not tell the shape and number of its samples.")
    image = work.floor_seconds(rates, trial.training.precision, trial.training.batch_size)
    training, *evaluated = samples
    return training * image, sum(evaluated) * image / (1 + BACKWARD)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sweep", default="mukhoti2020")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--bytes-per-second", type=float, default=3.35e12)
    parser.add_argument("--flops-per-second", type=float, default=989e12)
    arguments = parser.parse_args()
    rates = Rates(arguments.bytes_per_second, {arguments.precision: arguments.flops_per_second})
    try:
        show(arguments.sweep, arguments.precision, rates)
    except CalibsweepError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def show(sweep: str, precision: str, rates: Rates) -> None:
    trials = load(sweep, [f"training.precision={precision}"]).trials
    cells: dict[tuple[str, str], tuple[float, float]] = {}
    training_hours = evaluation_hours = 0.0
    for trial in trials:
        cell = trial.dataset.label, trial.model.label
        if cell not in cells:
            cells[cell] = epoch_seconds(trial, rates)
            training, evaluation = cells[cell]
            print(f"{' / '.join(cell):>32}  an epoch: {training:6.2f} s, evaluation {evaluation:5.2f} s")
        training_hours += trial.training.epochs * cells[cell][0] / 3600
        evaluation_hours += trial.training.epochs * cells[cell][1] / 3600
    for share, place in ((1, "at the floor"), (2, "at half of it")):
        print(
            f"{sweep}, {precision}, {place}: {share * training_hours:,.0f} GPU-hours "
            f"of training, {share * evaluation_hours:,.0f} of evaluation"
        )


if __name__ == "__main__":
    sys.exit(main())
