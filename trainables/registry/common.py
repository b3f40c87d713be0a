"""Parameters of many components of one kind, which these do not declare."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from trainables.registry.entries import REQUIRED, Parameter
from trainables.registry.specs import Spec


@dataclass(frozen=True)
class Common(Generic[Spec]):
    """Parameters that change a component after it is built. A trial's identity has only those in use.

    Attributes:
        parameters: By name.
        taken_by: Whether a component with this spec takes them. One that declares such a name does not.
        in_use: From the component's name in messages and the given values: those in use, completed and
            checked. It raises ConfigurationError.
        function: 'module:function' that changes the built component. It takes the component, its name in
            messages, and all of its parameters.
    """

    parameters: Mapping[str, Parameter]
    taken_by: Callable[[Spec], bool]
    in_use: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    function: str

    def of(self, spec: Spec, own: Mapping[str, Parameter]) -> Mapping[str, Parameter]:
        """Those of a component with this spec and these parameters of its own."""
        return {} if own.keys() & self.parameters.keys() or not self.taken_by(spec) else self.parameters

    def unusual(self, params: Mapping[str, Any]) -> list[str]:
        """Names of those in use that differ from their default."""
        return [
            name
            for name, parameter in self.parameters.items()
            if name in params and (parameter.default is REQUIRED or params[name] != parameter.default)
        ]

    def apply(self, built: Any, where: str, params: Mapping[str, Any]) -> Any:
        """The component with these parameters."""
        module, _, function = self.function.partition(":")
        return getattr(importlib.import_module(module), function)(built, where, params)
