"""Types that public signatures share.

An argument with a value for each axis is one value for all of them, one for each in order, or a mapping from names of
dimensions, for images that have names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy.typing as npt

Mode: TypeAlias = str | Sequence[str] | Mapping[str, str]
Nan: TypeAlias = Literal["propagate", "ignore"]
Floats: TypeAlias = float | Sequence[float] | Mapping[str, float] | npt.NDArray[Any]
Integers: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | Mapping[str, SupportsIndex] | npt.NDArray[Any]
Taps: TypeAlias = npt.ArrayLike | Sequence[npt.ArrayLike | None] | Mapping[str, npt.ArrayLike | None]
#: An axis by its position, or by its name.
Axis: TypeAlias = SupportsIndex | str
Axes: TypeAlias = Axis | Sequence[Axis] | npt.NDArray[Any]
