"""What the commands make of a picture's pixels, besides finding edges: blurred, sharpened, edges drawn over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fastsep
from fastsep._pictures import Picture, visible
from fastsep._samples import bands

COLOUR = (0, 255, 0)  # of edges drawn over a picture: seldom in photographs, and bright


def blur(picture: Picture, sigma: float, workers: int | None) -> Picture:
    """Smoothed by a Gaussian; transparency stays as it is."""

    def smooth(pixels: np.ndarray) -> np.ndarray:
        return _gaussian(pixels, sigma, pixels.dtype, workers)

    alpha = picture.alpha
    if alpha is None or _even(alpha):
        return _each(picture, smooth)
    pixels = _visible_gaussian(picture.pixels, alpha, sigma, workers)
    return _each(picture, smooth, _rounded(pixels, picture.pixels.dtype))


def sharpen(picture: Picture, radius: float, amount: float, workers: int | None) -> Picture:
    """With `amount` times what a Gaussian of standard deviation `radius` takes away; transparency stays as it is."""

    def sharp(pixels: np.ndarray) -> np.ndarray:
        result: np.ndarray = fastsep.unsharp_mask(
            pixels,
            radius,
            amount,
            preserve_range=pixels.dtype.kind == "f",  # whole numbers are clipped to their own scale
            channel_axis=_channel_axis(pixels),
            dtype=pixels.dtype,
            workers=workers,
        )
        return result

    alpha = picture.alpha
    if alpha is None or _even(alpha):
        return _each(picture, sharp)
    smooth = _visible_gaussian(picture.pixels, alpha, radius, workers)
    with np.errstate(invalid="ignore"):  # infinities
        pixels = picture.pixels + amount * (picture.pixels - smooth)
    return _each(picture, sharp, _rounded(pixels, picture.pixels.dtype))


def _each(
    picture: Picture, filtered: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray | None = None
) -> Picture:  # fmt: skip
    """The picture with filtered pixels, or with these, and with filtered further channels."""
    others = picture.others
    return picture._replace(
        pixels=filtered(picture.pixels) if pixels is None else pixels,
        others=None if others is None else filtered(others),
    )


def _channel_axis(pixels: np.ndarray) -> int | None:
    return 2 if pixels.ndim == 3 else None


def _gaussian(pixels: np.ndarray, sigma: float, dtype: np.dtype, workers: int | None) -> np.ndarray:
    result: np.ndarray = fastsep.gaussian(
        pixels, sigma, preserve_range=True, channel_axis=_channel_axis(pixels), dtype=dtype, workers=workers
    )
    return result


def _even(alpha: np.ndarray) -> bool:
    return bool(alpha.min() == alpha.max())


def _visible_gaussian(pixels: np.ndarray, alpha: np.ndarray, sigma: float, workers: int | None) -> np.ndarray:
    """A Gaussian of the colours in floats, each pixel weighted by how much of it is seen.

    That is the blurred product of colours and alpha, divided by the blurred alpha, so that colours which nobody sees do
    not show beside the pixels that hide them. Where nothing is seen within its reach, colours stay as they are.
    """
    # float32 holds products of 8 bits exactly, so that the result is rounded only once.
    dtype = np.dtype(np.float32 if pixels.dtype == np.uint8 else np.float64)
    weight = np.nan_to_num(alpha, nan=0.0).astype(dtype).clip(0)
    share = _gaussian(weight, sigma, dtype, workers)
    result = pixels.astype(dtype)
    for channel in [result] if result.ndim == 2 else np.moveaxis(result, 2, 0):
        product = np.zeros_like(weight)
        np.multiply(channel, weight, out=product, where=weight > 0)  # what is not seen may be NaN
        np.divide(_gaussian(product, sigma, dtype, workers), share, out=channel, where=share > 0)
    return result


def _rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    whole: np.ndarray = np.rint(values).clip(limits.min, limits.max)
    return whole.astype(dtype)


def overlay(pixels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The picture in 8 bits and colour, and the edges over it, the stronger the less transparent."""
    ground = visible(pixels, pixels)
    if ground.ndim == 2:
        ground = ground[..., None]
    drawn = np.empty((*edges.shape, 3), np.uint8)
    for rows in bands(edges.shape):
        weight = edges[rows][..., None].astype(np.uint16)
        mixed = ground[rows] * (255 - weight) + np.array(COLOUR, np.uint16) * weight  # at most 255 * 255
        drawn[rows] = (mixed + 127) // 255
    return drawn
