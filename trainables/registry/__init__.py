"""Finds the components by reading their files, without importing them.

A component is one class (or function) in one file, marked with `@register("name")`. The registry reads the
marks with `ast`, so that a laptop can check a sweep file, compute a trial's key and print a table without
loading torch. The file itself is imported only when something is built from it.
"""

from trainables.registry.entries import REQUIRED, Entry, Parameter
from trainables.registry.marks import register
from trainables.registry.registry import Registry
from trainables.texts import closest

__all__ = ["REQUIRED", "Entry", "Parameter", "Registry", "closest", "register"]
