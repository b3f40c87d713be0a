"""Which trial starts next, and how long one waits whose process died."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from ray.tune.search import Searcher

from orchestrator.cluster.placement import Needs
from orchestrator.driver.queue import LONGEST_PAUSE, MOST_WAITING, TrialQueue
from orchestrator.driver.stop_request import StopRequest

SMALL, LARGE = Needs.of(0.5, 1), Needs.of(4, 1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def queue_of(needs: dict[str, Needs]) -> tuple[TrialQueue, Clock]:
    clock = Clock()
    return TrialQueue({key: {} for key in needs}, needs, StopRequest(), clock), clock


def next_of(queue: TrialQueue) -> str | None:
    found = queue.suggest("any")
    if found is None or isinstance(found, str):
        return found
    return str(found["key"])


def test_trials_come_in_order_and_not_all_at_once() -> None:
    keys = [f"{number:03d}" for number in range(MOST_WAITING + 3)]
    queue, _ = queue_of(dict.fromkeys(keys, SMALL))
    assert [next_of(queue) for _ in range(MOST_WAITING + 1)] == [*keys[:MOST_WAITING], None]
    queue.started(keys[5])
    assert [next_of(queue), next_of(queue)] == [keys[MOST_WAITING], None]


def test_what_needs_much_does_not_stand_in_the_way_of_what_needs_little() -> None:
    large = {f"large{number}": LARGE for number in range(MOST_WAITING * 2)}
    queue, _ = queue_of(large | {"small0": SMALL, "small1": SMALL})
    first = [next_of(queue) for _ in range(MOST_WAITING + 2)]
    assert {"small0", "small1"} <= set(first) and next_of(queue) is None
    assert [key for key in first if key and key.startswith("large")] == list(large)[:MOST_WAITING]


def test_a_trial_that_dies_waits_longer_each_time_unless_it_got_further() -> None:
    queue, clock = queue_of({"a": SMALL, "b": SMALL})
    assert [next_of(queue), next_of(queue)] == ["a", "b"]
    pauses = []
    for _ in range(2000):
        queue.started("a")
        deaths, pause = queue.died("a", epoch=0)
        pauses.append(pause)
        assert next_of(queue) is None
        clock.now += pause - 0.01
        assert next_of(queue) is None
        clock.now += 0.02
        assert next_of(queue) == "a"
    assert deaths == 2000 and pauses[0] == 5 and pauses[-1] == LONGEST_PAUSE
    assert all(later in (2 * earlier, LONGEST_PAUSE) for earlier, later in itertools.pairwise(pauses))
    assert queue.died("a", epoch=3) == (1, 5)
    assert queue.died("a", epoch=2) == (2, 10)


def test_it_ends_when_all_is_settled_or_when_asked() -> None:
    queue, clock = queue_of({"a": SMALL, "b": LARGE})
    assert {next_of(queue), next_of(queue)} == {"a", "b"}
    queue.died("a", epoch=0)
    queue.settled("a")
    clock.now += LONGEST_PAUSE
    assert next_of(queue) is None
    queue.settled("b")
    assert next_of(queue) == Searcher.FINISHED
    other, _ = queue_of({"a": SMALL})
    other.request.asked = 0.0
    assert next_of(other) == Searcher.FINISHED


@given(st.lists(st.sampled_from(["start", "die", "settle", "later"]), max_size=200), st.integers(1, 30))
def test_no_trial_is_lost_and_none_is_handed_out_twice(events: list[str], number: int) -> None:
    keys = [str(each) for each in range(number)]
    queue, clock = queue_of({key: LARGE if int(key) % 3 else SMALL for key in keys})
    out: list[str] = []
    settled: set[str] = set()
    for event in [*events, *(["later", "start", "settle"] * number * 2)]:
        if event == "start":
            key = next_of(queue)
            if key is not None and key != Searcher.FINISHED:
                assert key not in out and key not in settled
                out.append(key)
        elif event == "later":
            clock.now += LONGEST_PAUSE
        elif out:
            key = out.pop(0)
            queue.started(key)
            if event == "die":
                queue.died(key, 0)
            else:
                queue.settled(key)
                settled.add(key)
    assert settled == set(keys) and next_of(queue) == Searcher.FINISHED
