"""Names in modules that are imported already: found by what they are bound to, and bound to something else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def namespace(module: Any) -> dict[str, Any] | None:
    """The names of a module; None for what is no module. Modules that are loaded at the first look are left alone."""
    if not issubclass(type(module), ModuleType):
        return None
    names: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
    return names


def rebind(values: Mapping[int, Any], leave: Callable[[str, Any], bool]) -> None:
    """Bind every name of a module whose value has its `id` among the keys to the new value.

    `leave`: names to leave alone, told by module and value.
    """
    if values:
        for module in list(sys.modules):
            rebind_in(module, values, leave)


def rebind_in(module: str, values: Mapping[int, Any], leave: Callable[[str, Any], bool]) -> None:
    """`rebind` in one module."""
    names = namespace(sys.modules.get(module))
    # Most modules hold none of them: that look takes 20 ns a name. Lists, because other threads import.
    if names is None or values.keys().isdisjoint(map(id, list(names.values()))):
        return
    for name, value in list(names.items()):
        if id(value) in values and not leave(module, value):
            names[name] = values[id(value)]
