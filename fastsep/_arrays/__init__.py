"""Arrays of other packages: imported with the first one that comes.

Those of dask are filtered chunk by chunk. Those of xarray, and those that are lent by DLPack, are wrappers: the call
goes on with the array inside, which may be one of dask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from fastsep._validation.array_like import is_wrapper


def _chunked() -> ModuleType:
    """What needs dask, which is imported by now."""
    return import_module("fastsep._arrays.chunked")


def apply(options: tuple[Any, ...], image: Any, outs: Sequence[Any], workers: Any) -> list[Any]:
    """`_call._checked` for an array of another package."""
    module = import_module("fastsep._arrays.wrapped") if is_wrapper(image) else _chunked()
    return module.apply(options, image, outs, workers)  # type: ignore[no-any-return]


def masked(result: Any, mask: Any, channel_axis: Any) -> Any:
    """A result times a mask, less the pixels with a neighbour outside of it."""
    return _chunked().masked(result, mask, channel_axis)


def by_blocks(call: Callable[..., Any], name: str, image: Any, result: Any, out: Any, workers: Any) -> Any:
    """What `call(image, out, workers)` gives for an array in memory.

    `result`: its dtype; None: the one that `explain` tells.
    """
    return _chunked().by_blocks(call, name, image, result, out, workers)


def check(name: str, image: Any, outs: Sequence[Any]) -> None:
    """Refuse what cannot be filtered chunk by chunk."""
    _chunked().check(name, image, outs)


def joined(join: Callable[..., Any], real: Any, imaginary: Any, dtype: Any, out: Any) -> Any:
    """A complex array of both parts."""
    return _chunked().joined(join, real, imaginary, dtype, out)


def convolve(spec: Any, x: Any, out: Any, workers: Any) -> Any:
    """What the layer of this specification makes of `x`."""
    from fastsep._arrays import chunked_layers  # they are apart from filters

    return chunked_layers.convolve(spec, x, out, workers)
