"""Parses YAML from a file or the command line, or refuses it in one line."""

from __future__ import annotations

import re
from typing import Any

import yaml

from trainables.errors import ConfigurationError

DEEPEST = 20
"""Deepest nesting of lists and mappings. A sweep file has at most seven levels."""

MOST_VALUES = 100_000
"""Most values after expanding aliases: nine lines of nested aliases would give a thousand million."""

MOST_DIGITS = 100
"""Limit for a whole number. Python refuses to print thousands."""


class _Loader(yaml.SafeLoader):
    """YAML with intuitive values: 1e-3 is a number, as in YAML 1.2, and nothing becomes a date."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("float", "timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


def parsed(text: str, source: str) -> Any:
    """The value of a YAML text.

    Raises:
        ConfigurationError: The text is not YAML, has a duplicate key, or exceeds the needs of a sweep: deep
            nesting, or thousands of values by aliases. The line begins with `source`.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Checked(source).size(node, 1)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        during = f" ({error.context})" if error.context else ""
        raise ConfigurationError(f"{source}{place}: {error.problem}{during}.") from error
    except yaml.reader.ReaderError as error:
        raise ConfigurationError(
            f"{source}: is not text: {error.reason} (position {error.position})."
        ) from error
    except RecursionError as error:
        raise _too_deep(source) from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        # PyYAML raises these for a tag such as !!int on a text that is not a number.
        raise ConfigurationError(
            f"{source}: has a value that does not match its YAML tag, or a number that is too long."
        ) from error


class _Checked:
    """Counts the values below each node, and refuses invalid ones."""

    def __init__(self, source: str):
        self.source = source
        self.sizes: dict[int, int] = {}
        self.open: set[int] = set()

    def size(self, node: yaml.Node, depth: int) -> int:
        """Number of values of a node, including itself, with aliases expanded."""
        line = f"{self.source}, line {node.start_mark.line + 1}"
        if id(node) in self.open:
            raise ConfigurationError(f"{line}: an alias refers to its own parent.")
        if depth > DEEPEST:
            raise _too_deep(line)
        if id(node) not in self.sizes:
            self.open.add(id(node))
            self.sizes[id(node)] = 1 + sum(
                self.size(child, depth + 1) for child in self._children(node, line)
            )
            self.open.discard(id(node))
        if self.sizes[id(node)] > MOST_VALUES:
            raise ConfigurationError(f"{line}: expands to more than {MOST_VALUES} values.")
        return self.sizes[id(node)]

    def _children(self, node: yaml.Node, line: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.MappingNode):
            self._refuse_duplicate_keys(node)
            return [part for pair in node.value for part in pair]
        if node.tag == "tag:yaml.org,2002:int" and len(node.value) > MOST_DIGITS:
            raise ConfigurationError(f"{line}: a number of {len(node.value)} digits is too long.")
        try:
            node.value.encode()
        except UnicodeEncodeError as error:
            raise ConfigurationError(f"{line}: contains half a character (a lone surrogate).") from error
        return []

    def _refuse_duplicate_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise ConfigurationError(
                        f"{self.source}, line {line}: {key.value!r} is already given "
                        f"in line {lines[key.value]}."
                    )
                lines[key.value] = line


def _too_deep(place: str) -> ConfigurationError:
    return ConfigurationError(f"{place}: nests more than {DEEPEST} lists and mappings.")
