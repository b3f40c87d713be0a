"""Tasks, one file each, marked `@register("name")`. The data set of a trial determines its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import DATASETS, TASKS

if TYPE_CHECKING:
    from trainables.tasks.base import Task

DEFAULT = "classification"


def build(name: str) -> Task[Any]:
    """The task called `name`.

    Raises:
        ConfigurationError: The name is unknown.
    """
    task: Task[Any] = TASKS.build(name)
    return task


def name_of(dataset: str) -> str:
    """The name of a data set's task, without loading torch."""
    return TASKS[DATASETS[dataset].spec.task].name
