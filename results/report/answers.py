"""Which loss is the best of a network, by how much, and whether that is real, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from results.report.page import Answer, Column, Loss, Metric, Real, Trial, Value
from results.scoring.samples import Samples
from results.statistics.differences import Difference
from results.tables import paired

REFERENCE = "cross_entropy"
"""The loss that the best one is compared with; if it is the best itself, the next one is."""

MINUS = "\u2212"

Tested = Mapping[str, Samples]
"""The test samples of trials by key, before or after calibration."""


def answer(
    losses: Sequence[Loss],
    metric: Metric,
    column: Column,
    position: int,
    values: Mapping[int, Value],
    trials: Mapping[int, Sequence[Trial]],
    tested: Tested,
    errors: Mapping[int, Value],
) -> Answer | None:
    """The answer on one network in one column; None if no loss has a score there.

    Args:
        position: Of the column.
        values: Of each loss with finished trials.
        trials: Likewise.
        tested: Empty if logits are not read: then the difference is over seeds alone.
        errors: The classification error of each loss; empty if the column is one, or if there is none.
    """
    sign = -1.0 if metric.direction == "higher" else 1.0
    known = {loss: value for loss, value in values.items() if not math.isnan(value.mean)}
    order = sorted(known, key=lambda loss: sign * known[loss].mean)
    if not order:
        return None
    best = order[0]
    value = known[best].text + (f" ± {known[best].deviation_text}" if known[best].deviation_text else "")
    beside = _error(losses, errors, best), _floor(known, best)
    if len(order) == 1:
        return Answer(best, value, "", "unknown", "There is no other loss to compare with.", *beside, (best,))
    named = next((loss for loss in order if losses[loss].label == REFERENCE), best)
    other = named if named != best else order[1]
    difference = _difference(metric.name, position, trials[best], trials[other], tested)
    marked = tuple(loss for loss in order if known[loss].best)
    which = losses[other].name + ("" if named != best else ", the next")
    much = _much(metric, column, difference, which, ruled_out=bool(marked) and other not in marked)
    seeds = max(len(trials[loss]) for loss in order)
    real, why = _real(len(order), len(marked), seeds, difference)
    return Answer(best, value, much, real, why, *beside, marked or tuple(order))


def _error(losses: Sequence[Loss], errors: Mapping[int, Value], best: int) -> str:
    known = {loss: value for loss, value in errors.items() if not math.isnan(value.mean)}
    if best not in known:
        return ""
    least = min(known, key=lambda loss: known[loss].mean)
    own = f"{known[best].mean:.2f}%"
    if known[best].near_chance:
        own += ", near chance: calibration then says little"
    if known[least].mean == known[best].mean:
        return f"{own}; the lowest."
    return f"{own}; the lowest is {known[least].mean:.2f}%, {losses[least].name}."


def _floor(known: Mapping[int, Value], best: int) -> str:
    value = known[best]
    if math.isnan(value.floor):
        return ""
    within = sum(each.calibrated for each in known.values())
    many = "all" if within == len(known) else f"{within} of" if within else "none of the"
    return (
        f"Calibration is {'not ' * value.calibrated}rejected: a calibrated network with the same confidences "
        f"shows {value.floor:.2f} (95% point {value.upper:.2f}). Not rejected: {many} {len(known)} losses."
    )


def _difference(
    metric: str, position: int, best: Sequence[Trial], other: Sequence[Trial], tested: Tested
) -> Difference | None:
    """The best less the other, in units of print, over the seeds that both have; None without any."""
    by_seed = {trial.seed: trial for trial in other}
    pairs = [(trial, by_seed[trial.seed]) for trial in best if trial.seed in by_seed]
    if not pairs:
        return None
    sides = list(zip(*pairs, strict=True))
    scores = [[trial.scores[position] for trial in side] for side in sides]
    found = [[tested[trial.key] for trial in side if trial.key in tested] for side in sides]
    return paired.difference(metric, scores, found)


def _much(
    metric: Metric, column: Column, difference: Difference | None, other: str, *, ruled_out: bool
) -> str:
    """The difference from another loss, in a sentence.

    Args:
        ruled_out: Whether the other loss is ruled out as the best: by a one-sided test, so that the two-sided
            interval may include zero.
    """
    if difference is None:
        return f"Not compared with {other}: they have no seed in common."
    places, points = column.places, f" {metric.points}" if metric.points else ""
    size = abs(difference.estimate)
    side = "above" if difference.estimate > 0 else "below"
    text = f"{size:.{places}f}{points} {side} {other}"
    if math.isnan(difference.low):
        return f"{text}; one seed has no interval."
    # The interval of the size, in the direction of the estimate.
    low, high = sorted(np.sign(difference.estimate or 1) * end for end in (difference.low, difference.high))
    zero = ", which includes zero" if low <= 0 <= high else ""
    over = "over its test samples" if difference.seeds == 1 else f"over {difference.seeds} matched seeds"
    ends = " to ".join(f"{end:z.{places}f}".replace("-", MINUS) for end in (low, high))
    one_sided = " A loss is ruled out by a one-sided test." if zero and ruled_out else ""
    return f"{text}; 95% interval {ends}{zero}, {over}.{one_sided}"


def _real(losses: int, marked: int, seeds: int, difference: Difference | None) -> tuple[Real, str]:
    """Whether the best loss is known, and a sentence. Of one seed, only networks are compared, not losses."""
    if not marked:
        if difference is None or math.isnan(difference.p_value):
            return "unknown", "Nothing is known: one seed, and no stored logits to resample."
        return "no", f"None of the {losses} losses is ruled out as the best."
    out = losses - marked
    some = "The other loss is" if losses == 2 else f"All {out} others are"
    if marked > 1:
        some = f"{marked} of {losses} losses may be the best; {out} {'is' if out == 1 else 'are'}"
    if seeds == 1:
        return "unknown", f"{some} ruled out for this one seed; another seed may rank them otherwise."
    return "yes" if marked == 1 else "partly", f"{some} ruled out with 95% confidence."
