"""Which trial starts next, and how long one waits whose process died."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from ray.tune.search import Searcher

from orchestrator.cluster.placement import Needs
from orchestrator.driver.queue import LONGEST_PAUSE, MOST_WAITING, TrialQueue
from orchestrator.driver.reports import Done, Failed, Latest, Pruned
from orchestrator.driver.stop_request import StopRequest
from orchestrator.driver.trial_source import ListedTrials, TrialSource
from trainables.resolve import resolve
from trainables.trial import Trial

SMALL, LARGE = 0.5, 4.0
DONE = Done(Latest(7))


@functools.cache
def trial(seed: int) -> Trial:
    return resolve("digits", "mlp", "brier", seed)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def queue_of(gpus: dict[Trial, float], source: TrialSource | None = None) -> tuple[TrialQueue, Clock]:
    clock = Clock()
    listed = ListedTrials(list(gpus), {each.key: number for each, number in gpus.items()}, 1)
    return TrialQueue(source or listed, StopRequest(), clock), clock


def next_of(queue: TrialQueue) -> Trial | str | None:
    found = queue.suggest("any")
    if found is None or isinstance(found, str):
        return found
    handed_out: Trial = found["trial"]
    return handed_out


def of(seeds: Iterable[int]) -> list[Trial]:
    return [trial(seed) for seed in seeds]


def test_trials_come_in_order_and_not_all_at_once() -> None:
    trials = of(range(MOST_WAITING + 3))
    queue, _ = queue_of(dict.fromkeys(trials, SMALL))
    assert [next_of(queue) for _ in range(MOST_WAITING + 1)] == [*trials[:MOST_WAITING], None]
    queue.started(trials[5])
    assert [next_of(queue), next_of(queue)] == [trials[MOST_WAITING], None]


def test_a_trial_that_reserves_much_does_not_stand_in_the_way_of_one_that_reserves_little() -> None:
    large, small = of(range(MOST_WAITING * 2)), of([900, 901])
    queue, _ = queue_of(dict.fromkeys(large, LARGE) | dict.fromkeys(small, SMALL))
    first = [next_of(queue) for _ in range(MOST_WAITING + 2)]
    assert set(small) <= set(first) and next_of(queue) is None
    assert [each for each in first if each not in small] == large[:MOST_WAITING]


def test_a_trial_that_dies_waits_longer_each_time_unless_it_got_further() -> None:
    a, b = of([0, 1])
    queue, clock = queue_of({a: SMALL, b: SMALL})
    assert [next_of(queue), next_of(queue)] == [a, b]
    pauses = []
    for _ in range(2000):
        queue.started(a)
        deaths, pause = queue.died(a, epoch=0)
        pauses.append(pause)
        assert next_of(queue) is None
        clock.now += pause - 0.01
        assert next_of(queue) is None
        clock.now += 0.02
        assert next_of(queue) == a
    assert deaths == 2000 and pauses[0] == 5 and pauses[-1] == LONGEST_PAUSE
    assert all(later in (2 * earlier, LONGEST_PAUSE) for earlier, later in itertools.pairwise(pauses))
    assert queue.died(a, epoch=3) == (1, 5)
    assert queue.died(a, epoch=2) == (2, 10)


def test_it_ends_when_all_is_settled_or_on_request() -> None:
    a, b = of([0, 1])
    queue, clock = queue_of({a: SMALL, b: LARGE})
    assert {next_of(queue), next_of(queue)} == {a, b}
    queue.died(a, epoch=0)
    queue.settled(a, DONE)
    clock.now += LONGEST_PAUSE
    assert next_of(queue) is None
    queue.settled(b, DONE)
    assert next_of(queue) == Searcher.FINISHED
    other, _ = queue_of({a: SMALL})
    other.request.requested_at = 0.0
    assert next_of(other) == Searcher.FINISHED


def test_a_source_that_depends_on_results_runs_until_it_is_exhausted() -> None:
    class Halving:
        """Gives two trials of each round, and a further round while the last one had no failure."""

        part = "test"

        def __init__(self) -> None:
            self.open = of([0, 1])
            self.heard: list[tuple[Trial, Done | Failed | Pruned]] = []

        def representatives(self) -> list[Trial]:
            return of([0])

        def needs(self, trial: Trial) -> Needs:
            return Needs.of(SMALL, 1)

        def next(self) -> Trial | None:
            return self.open.pop(0) if self.open else None

        def coming(self) -> int:
            return 0

        def limits(self, trial: Trial) -> None:
            return None

        def settled(self, trial: Trial, result: Done | Failed | Pruned) -> None:
            self.heard.append((trial, result))
            if len(self.heard) % 2 == 0 and all(isinstance(result, Done) for _, result in self.heard):
                self.open = of([len(self.heard), len(self.heard) + 1])

    source, failed = Halving(), Failed("bug", "", "", "")
    queue, clock = queue_of({}, source)
    first, second = next_of(queue), next_of(queue)
    assert [first, second, next_of(queue)] == [trial(0), trial(1), None]
    queue.settled(trial(1), DONE)
    # A process that died is no end of its trial.
    _, pause = queue.died(trial(0), epoch=0)
    assert next_of(queue) is None
    clock.now += pause
    assert next_of(queue) == trial(0)
    queue.settled(trial(0), DONE)
    assert [next_of(queue), next_of(queue), next_of(queue)] == [trial(2), trial(3), None]
    queue.settled(trial(2), failed)
    queue.settled(trial(3), DONE)
    # Told twice, as by a worker that ended after its node was taken for dead.
    queue.settled(trial(3), DONE)
    assert next_of(queue) == Searcher.FINISHED
    assert source.heard == [(trial(1), DONE), (trial(0), DONE), (trial(2), failed), (trial(3), DONE)]


@given(st.lists(st.sampled_from(["start", "die", "settle", "later"]), max_size=200), st.integers(1, 30))
def test_no_trial_is_lost_and_none_is_handed_out_twice(events: list[str], number: int) -> None:
    trials = of(range(number))
    queue, clock = queue_of({each: LARGE if each.seed % 3 else SMALL for each in trials})
    out: list[Trial] = []
    settled: set[Trial] = set()
    for event in [*events, *(["later", "start", "settle"] * number * 2)]:
        if event == "start":
            found = next_of(queue)
            if isinstance(found, Trial):
                assert found not in out and found not in settled
                out.append(found)
        elif event == "later":
            clock.now += LONGEST_PAUSE
        elif out:
            first = out.pop(0)
            queue.started(first)
            if event == "die":
                queue.died(first, 0)
            else:
                queue.settled(first, DONE)
                settled.add(first)
    assert settled == set(trials) and next_of(queue) == Searcher.FINISHED
