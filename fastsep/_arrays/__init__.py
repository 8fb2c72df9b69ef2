"""Arrays of other packages: imported with the first one that comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastsep._arrays import chunked


def apply(options: tuple[Any, ...], image: Any, outs: Sequence[Any], workers: Any) -> list[Any]:
    """`_call._checked` for an array of dask."""
    return chunked.apply(options, image, outs, workers)


def masked(result: Any, mask: Any, channel_axis: Any) -> Any:
    """A result times a mask, less the pixels with a neighbour outside of it."""
    return chunked.masked(result, mask, channel_axis)
