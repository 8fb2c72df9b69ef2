"""Results of the library as JSON: an object for each of their classes, with their fields."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Any

import numpy as np


def dumps(result: Any) -> str:
    """On one line, in ASCII."""
    return json.dumps(result, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON knows, for what it does not: arrays as lists, fractions as 1/4, dtypes by name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Fraction | np.dtype):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
