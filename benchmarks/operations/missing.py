"""Images with missing pixels: filters divided by what they make of the weights."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, operation
from benchmarks._timing import Array, Call
from benchmarks.operations._peers import FLOAT32, Prepare, contest, peer, reach

#: Pixels without a value compare as this one: no weighted mean of pixels in [0, 1) comes near it.
without_nan = partial(np.nan_to_num, nan=-1.0)


def with_holes(x: Array, missing: str) -> Array:
    """NaN at 5 % of the pixels, in a tenth of the image, or nowhere."""
    image = x.copy()
    if missing == "scattered":
        image[np.random.default_rng(2).random(x.shape, np.float32) < 0.05] = np.nan
    elif missing == "hole":
        height, width = (round(0.1**0.5 * size) for size in x.shape)
        image[x.shape[0] // 3 :, x.shape[1] // 3 :][:height, :width] = np.nan
    return image


def astropy(image: Array, name: str, sigma: float, **options: Any) -> Prepare:
    """A function that takes an image and a kernel, with as many taps as truncate=4 gives."""

    def prepare(convolution: Any) -> Call:
        size = 2 * reach(sigma) + 1
        kernel = convolution.Gaussian2DKernel(sigma, x_size=size, y_size=size)

        def call() -> Any:
            with warnings.catch_warnings(action="ignore"):  # of holes that are larger than the kernel
                return getattr(convolution, name)(image, kernel, **options)

        return call

    return prepare


def two_gaussians(image: Array, sigma: float, mode: str) -> Prepare:
    """The recipe: a Gaussian of the pixels by a Gaussian of their weights."""

    def prepare(ndimage: Any) -> Call:
        def call() -> Array:
            weights = ~np.isnan(image)
            pixels = np.where(weights, image, np.float32(0))
            result: Array = ndimage.gaussian_filter(pixels, sigma, mode=mode)
            with np.errstate(invalid="ignore"):  # nothing by nothing is NaN, as it should be
                result /= ndimage.gaussian_filter(weights.astype(image.dtype), sigma, mode=mode)
            return result

        return call

    return prepare


@operation
def gaussian_nan(x: Array, *, sigma: float, missing: str) -> Contest:
    """A grey image of floats, in which NaN has no weight."""
    image = with_holes(x, missing)
    peers = [
        peer("SciPy", two_gaussians(image, sigma, "nearest"), FLOAT32, view=without_nan, note="divides two Gaussians"),
        peer("astropy", astropy(image, "convolve", sigma, boundary="extend"), FLOAT32, view=without_nan),
    ]
    found = contest(fastsep.gaussian, image, sigma, mode="nearest", nan="ignore", peers=peers)
    return replace(found, entries=(replace(found.entries[0], view=without_nan), *peers))


@operation
def interpolate_missing(x: Array, *, sigma: float) -> Contest:
    """A grey image of floats with 5 % NaN: one Gaussian reaches all of them."""
    image = with_holes(x, "scattered")
    # Nothing lies beyond the border, as with our mode "ignore".
    fill = astropy(image, "interpolate_replace_nans", sigma, boundary="fill", fill_value=np.nan)
    return contest(fastsep.interpolate_missing, image, sigma, peers=[peer("astropy", fill, FLOAT32)])
