"""What components there are, read off their files without importing them.

A component is one class (or function) in one file, marked with `@register("name")`. The registry reads the
marks with `ast`, so that a sweep file can be checked, a trial's key computed and a table printed on a laptop
without loading torch. The file itself is imported when something is built from it, and only then.
"""

from trainables.registry.entries import REQUIRED, Entry, Parameter
from trainables.registry.marks import register
from trainables.registry.registry import Registry
from trainables.texts import closest

__all__ = ["REQUIRED", "Entry", "Parameter", "Registry", "closest", "register"]
