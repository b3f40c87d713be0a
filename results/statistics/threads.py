"""Matrix products on one thread."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Context in which numpy multiplies matrices on one thread.

    The products here are narrow: more threads gain nothing, and on a busy machine wait for each other far
    longer than they compute. One thread also gives the same last digit everywhere.
    """
    limit: AbstractContextManager[object] = _pools().limit(limits=1, user_api="blas")
    return limit


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()
