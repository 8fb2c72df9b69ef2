"""Arrays of other packages by DLPack: read where they lie, and results handed over without a copy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy import ndarray

from fastsep._arrays.wrapper import Wrapper
from fastsep._validation.array_like import Array, Borrowed
from fastsep._validation.borrowing import lent


class Lent(Wrapper):
    """An image that PyTorch, JAX or another package has lent."""

    def __init__(self, image: Borrowed) -> None:
        self.inner = image.view(ndarray)
        self.owner = image.owner

    def target(self, out: Any) -> Array | None:
        if out is None:
            return None
        if type(lent("out", out)) is not Borrowed or _package_of(out) is not _package_of(self.owner):
            raise TypeError(f"`out` must be a {type(self.owner).__name__}, as the image is; got {type(out).__name__}.")
        array: Array = np.from_dlpack(out)
        if not array.flags.writeable:
            raise ValueError(f"`out` must be writeable; got {type(out).__name__}, which is not. Leave it out.")
        return array

    def result(self, values: Array, out: Any) -> Any:
        package = _package_of(self.owner)
        if out is not None or package is None:
            return values if out is None else out
        # As DLPack has it: of the machine's byte order. Some packages take C-contiguous arrays only.
        return package.from_dlpack(values.astype(values.dtype.newbyteorder("="), order="C", copy=False))


def _package_of(array: Any) -> Any:
    """What has the `from_dlpack` that makes arrays of this kind; None if nothing has."""
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    packages = (sys.modules.get(kind.__module__.partition(".")[0]) for kind in type(array).__mro__)
    return next((package for package in packages if hasattr(package, "from_dlpack")), None)
