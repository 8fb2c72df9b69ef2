"""Completes docstrings: options that functions share are described once, in the docstring of their module.

A function's own page describes what is its own. `complete` adds what the module says of its other parameters, of its
result and of what it raises, when the module is imported: half a millisecond for all of `filters`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(?=[\w*])", re.MULTILINE)
#: numpydoc's order of the sections that are completed, and what may follow them.
_ORDER = ("", "Parameters", "Attributes", "Returns", "Raises", "See Also", "Notes", "References", "Examples")


def complete(functions: Iterable[Callable[..., Any]], shared: str | None) -> None:
    """Put into each function's docstring what `shared`, a docstring in numpydoc's form, says of its parameters."""
    if shared is None:  # Python runs without docstrings
        return
    common = _sections(shared)
    texts = _entries(common["Parameters"])
    for function in functions:
        sections = _sections(inspect.cleandoc(function.__doc__ or ""))
        own = _entries(sections.get("Parameters", ""))
        found = [own.get(name) or texts.get(name, "") for name in _parameters(function)]
        sections["Parameters"] = "".join(dict.fromkeys(found))  # two parameters may share an entry
        for name in ("Raises",) if isinstance(function, type) else ("Returns", "Raises"):
            if name in common:
                sections.setdefault(name, common[name])
        function.__doc__ = "\n".join(
            f"{name}\n{'-' * len(name)}\n{sections[name]}" if name else sections[name]
            for name in _ORDER
            if sections.get(name)
        ).rstrip()


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a signature; `inspect.signature` takes ten times as long."""
    code = (function.__init__ if isinstance(function, type) else function).__code__  # type: ignore[misc]
    count = code.co_argcount + code.co_kwonlyargcount
    names: tuple[str, ...] = code.co_varnames[:count]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        names = (*names, f"**{code.co_varnames[count]}")
    return names[1:] if isinstance(function, type) else names


def _sections(text: str) -> dict[str, str]:
    """Title and body of each section, each body ending in one newline; the summary has no title."""
    parts = _HEADING.split(text)
    bodies = [part.strip("\n") + "\n" for part in parts[::2]]
    return dict(zip(["", *parts[1::2]], bodies, strict=True))


def _entries(section: str) -> dict[str, str]:
    """The entry of each parameter; `a, b : float` is one of both."""
    entries = [entry.rstrip("\n") + "\n" for entry in _ENTRY.split(section) if entry.strip()]
    return {name.strip(): entry for entry in entries for name in entry.partition("\n")[0].partition(" :")[0].split(",")}
