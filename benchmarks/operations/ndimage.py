"""`scipy.ndimage` and `fastsep.ndimage`: integers come out the same to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, Entry, operation
from benchmarks._timing import Array
from benchmarks.operations._peers import REFLECT, allowed, blur, contest, named, peer


def both(name: str, x: Array, *parameters: Any, opencv: Entry | None = None, scale: float = 1.0) -> Contest:
    """A function of `scipy.ndimage`, in both."""
    scipy = peer("SciPy", named(name, x, *parameters, output=np.empty_like(x)), allowed(x, 0, scale))
    peers = [scipy] if opencv is None else [opencv, scipy]
    return contest(getattr(fastsep.ndimage, name), x, *parameters, out="output", peers=peers)


@operation
def gaussian_filter(x: Array, *, sigma: float) -> Contest:
    # Of integers SciPy cuts off the fraction after each pass.
    opencv = peer("OpenCV", blur(x, sigma, np.empty_like(x)), allowed(x, 3))
    return both("gaussian_filter", x, sigma, opencv=opencv)


@operation
def uniform_filter(x: Array, *, size: int) -> Contest:
    opencv = named("blur", x, (size, size), np.empty_like(x), (-1, -1), REFLECT)
    return both("uniform_filter", x, size, opencv=peer("OpenCV", opencv, allowed(x, 2)))


@operation
def correlate1d(x: Array, *, length: int) -> Contest:
    """Along the rows, with positive weights."""
    weights = np.random.default_rng(1).random(length) / length
    return both("correlate1d", x, weights)
