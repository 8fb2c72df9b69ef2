"""What a command tells a user who can put something right: one line, and the extra that is missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


class Refusal(Exception):
    """Something the user can put right: printed as one line, exit code 2."""


def one_line(text: str) -> str:
    return " ".join(text.split())


def reason(error: Exception) -> str:
    """What an error says, without the name of the file."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error  # which would quote it
    return one_line(getattr(error, "strerror", None) or str(text) or type(error).__name__)


def extra(module: str, name: str) -> Any:
    """Import what only the extra "demo" installs."""
    if importlib.util.find_spec(module) is None:
        raise Refusal(f'{name} is not installed; it is in the extra "demo": pip install ".[demo]"')
    return importlib.import_module(module)
