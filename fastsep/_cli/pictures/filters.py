"""What the commands make of a picture's pixels, besides finding edges: blurred, sharpened, edges drawn over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fastsep
from fastsep._cli.pictures.picture import Picture, visible
from fastsep._cli.pictures.samples import bands

COLOUR = (0, 255, 0)  # of edges drawn over a picture: seldom in photographs, and bright


def blur(picture: Picture, sigma: float, workers: int | None) -> Picture:
    """Smoothed by a Gaussian; transparency stays as it is."""

    def smooth(pixels: np.ndarray) -> np.ndarray:
        return _gaussian(pixels, sigma, pixels.dtype, workers)

    return _filtered(picture, smooth, sigma, lambda _, smooth: smooth, workers)


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

    return _filtered(picture, sharp, radius, lambda own, smooth: own + amount * (own - smooth), workers)


def _filtered(
    picture: Picture,
    whole: Callable[[np.ndarray], np.ndarray],
    sigma: float,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
    workers: int | None,
) -> Picture:
    """The picture by the filter `whole`, or by `combine` of its values and smooth ones if some of it is transparent."""
    pixels, alpha, _, others = picture
    if alpha is None or alpha.min() == alpha.max():
        filtered = whole(pixels)
    else:
        filtered = _weighted(pixels, alpha, sigma, combine, workers)
    return picture._replace(pixels=filtered, others=None if others is None else whole(others))


def _weighted(
    pixels: np.ndarray,
    alpha: np.ndarray,
    sigma: float,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
    workers: int | None,
) -> np.ndarray:
    """Filtered with a Gaussian in which each pixel counts as far as it is seen.

    That is the blurred product of colours and alpha, divided by the blurred alpha, so that colours which nobody sees do
    not show beside the pixels that hide them. Where nothing is seen within its reach, colours count as they are.
    """
    # float32 holds products of 8 bits exactly, so that the result is rounded only once.
    dtype = np.dtype(np.float32 if pixels.dtype == np.uint8 else np.float64)
    weight = alpha if alpha.dtype.kind == "u" else np.maximum(np.nan_to_num(alpha), 0)
    share = _gaussian(weight, sigma, dtype, workers)
    result = np.empty_like(pixels)
    for channel, out in zip(_planes(pixels), _planes(result), strict=True):
        product = np.zeros(channel.shape, dtype)  # also where colours that are not seen are NaN
        np.multiply(channel, weight, out=product, where=weight > 0, dtype=dtype)
        total = _gaussian(product, sigma, dtype, workers)
        del product
        for rows in bands(channel.shape):
            own = channel[rows].astype(dtype)
            smooth = np.divide(total[rows], share[rows], out=own.copy(), where=share[rows] > 0)
            out[rows] = _rounded(combine(own, smooth), pixels.dtype)
    return result


def _planes(pixels: np.ndarray) -> np.ndarray:
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def _channel_axis(pixels: np.ndarray) -> int | None:
    return 2 if pixels.ndim == 3 else None


def _gaussian(pixels: np.ndarray, sigma: float, dtype: np.dtype, workers: int | None) -> np.ndarray:
    result: np.ndarray = fastsep.gaussian(
        pixels, sigma, preserve_range=True, channel_axis=_channel_axis(pixels), dtype=dtype, workers=workers
    )
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
