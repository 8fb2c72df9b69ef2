"""Arrays of other packages: imported with the first one that comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastsep._arrays import chunked


def apply(options: tuple[Any, ...], image: Any, outs: Sequence[Any], workers: Any) -> list[Any]:
    """`_call._checked` for an array of dask."""
    return chunked.apply(options, image, outs, workers)


def masked(result: Any, mask: Any, channel_axis: Any) -> Any:
    """A result times a mask, less the pixels with a neighbour outside of it."""
    return chunked.masked(result, mask, channel_axis)


def by_blocks(call: Callable[..., Any], name: str, image: Any, result: Any, out: Any, workers: Any) -> Any:
    """What `call(image, out, workers)` gives for an array in memory.

    `result`: its dtype; None: the one that `explain` tells.
    """
    return chunked.by_blocks(call, name, image, result, out, workers)


def check(name: str, image: Any, outs: Sequence[Any]) -> None:
    """Refuse what cannot be filtered chunk by chunk."""
    chunked.check(name, image, outs)


def joined(join: Callable[..., Any], real: Any, imaginary: Any, dtype: Any, out: Any) -> Any:
    """A complex array of both parts."""
    return chunked.joined(join, real, imaginary, dtype, out)


def convolve(spec: Any, x: Any, out: Any, workers: Any) -> Any:
    """What the layer of this specification makes of `x`."""
    from fastsep._arrays import chunked_layers  # they are apart from filters

    return chunked_layers.convolve(spec, x, out, workers)
