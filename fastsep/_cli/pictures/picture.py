"""Pictures in files: read, turned into grey or into something to look at, written whole or not at all."""

from __future__ import annotations

import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np

from fastsep._cli.errors import Refusal, reason
from fastsep._cli.files import obstacle, replacing
from fastsep._cli.pictures import pillow, png, png_writer, tiff
from fastsep._cli.pictures.samples import PREMULTIPLIED, UNASSOCIATED, UNSPECIFIED, Samples, bands

# Pillow refuses pictures of more than twice this: far above any camera, and far below the sizes that
# damaged headers claim. Its own limit, 179 million, is less than what telephones take.
LARGEST = 2**29

# Kinds of files that hold 16 bits, of grey. Pillow writes others without a word, and clips.
SIXTEEN_BITS = ("JPEG2000", "PNG", "PPM")

# How files are compressed. Pillow's own quality, 75, shows.
COMPRESSION: dict[str | None, dict[str, Any]] = {
    "AVIF": {"quality": 95},
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
}

# In 1 / 65536, as Pillow has them: the weights of ITU-R 601. The sum of 16-bit products fits 32 bits.
GREY = (19595, 38470, 7471)


class Picture(NamedTuple):
    pixels: np.ndarray  # (rows, columns) or (rows, columns, 3), of the file's dtype
    alpha: np.ndarray | None  # (rows, columns), of the same dtype
    profile: bytes | None  # what the colours mean (ICC)
    others: np.ndarray | None = None  # (rows, columns, n), of the same dtype: further channels, such as infrared


def readable(path: pathlib.Path) -> bool:
    """Whether the name ends as that of a picture that can be read."""
    from PIL import Image

    return _kind(path) in Image.OPEN


def writable(path: pathlib.Path) -> bool:
    """Whether the name ends as that of a picture that can be written."""
    from PIL import Image

    return _kind(path) in Image.SAVE


def _kind(path: pathlib.Path) -> str | None:
    from PIL import Image

    Image.init()
    kind: str | None = Image.registered_extensions().get(path.suffix.lower())
    return kind


def read(path: pathlib.Path) -> Picture:
    """The first picture in a file, turned as its camera was held."""
    try:
        if path.exists() and not path.is_file():  # a pipe would keep the reader waiting
            raise Refusal(f"cannot read the image {path}: it is not a file")
        with undisturbed():
            return _read(path)
    # Pillow's and tifffile's decoders raise many things on damaged files; none of them is a fault of
    # this program.
    except Exception as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(f"cannot read the image {path}: {reason(error)}") from error


@contextmanager
def undisturbed() -> Iterator[None]:
    """Nothing on stderr but what a command says itself, and large pictures are let through.

    These settings are the process's: who reads in several threads makes them once around all.
    """
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _read(path: pathlib.Path) -> Picture:
    # Not by name: then Pillow maps pixels into memory, without a look at how they are to be turned.
    with path.open("rb") as stream:
        try:
            samples = _decoded(stream, path)
        except Exception:
            essence = png.essence(stream)
            if essence is None:
                raise
            samples = _decoded(essence.file, path)._replace(profile=essence.profile)
    return _assembled(samples)  # after Pillow has given up its own


def _decoded(stream: IO[bytes], path: pathlib.Path) -> Samples:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(stream) as file:
            if file.format != "TIFF" or tiff.is_for_pillow(file.tag_v2):
                return pillow.read(file)
    except UnidentifiedImageError:
        stream.seek(0)
        if stream.read(4) not in tiff.SIGNATURES:
            raise ValueError("it is not a picture, or a damaged one") from None
    return tiff.read(path)


def _turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Upright."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def _assembled(samples: Samples) -> Picture:
    values, others, profile = _turned(samples.values, samples.orientation), samples.others, samples.profile
    native = values.dtype.newbyteorder("=")
    if values.ndim == 2:
        return Picture(np.ascontiguousarray(values, native), None, profile)
    colours = values.shape[2] - len(others)
    pixels = np.ascontiguousarray(values[..., 0] if colours == 1 else values[..., :3], native)
    rest = [np.ascontiguousarray(values[..., colours + n], native) for n in range(len(others))]
    alpha = None
    for place, meaning in enumerate(others):
        if meaning != UNSPECIFIED:
            alpha = rest.pop(place)
            if meaning == PREMULTIPLIED:
                _divide(pixels, alpha)
            break
    return Picture(pixels, alpha, profile, np.stack(rest, axis=2) if rest else None)


def _divide(pixels: np.ndarray, alpha: np.ndarray) -> None:
    """Colours that are multiplied by alpha, as they were before; black where nothing is seen."""
    whole = pixels.dtype.kind in "ui"
    most = float(np.iinfo(pixels.dtype).max) if whole else 1.0
    for rows in bands(pixels.shape):
        part = pixels[rows]
        share = alpha[rows] if part.ndim == 2 else alpha[rows][..., None]
        values = np.divide(part * most, share, out=np.zeros(part.shape), where=share > 0)
        part[...] = np.minimum(np.rint(values), most) if whole else values


def grey(pixels: np.ndarray) -> np.ndarray:
    """Brightness, of the same dtype; of 8 bits exactly Pillow's."""
    if pixels.ndim == 2:
        return pixels
    whole = pixels.dtype.kind in "ui"
    if whole:
        wide = np.dtype(np.uint32 if pixels.dtype in (np.uint8, np.uint16) else np.int64)
    else:
        wide = np.result_type(pixels.dtype, np.float32)
    result = np.empty(pixels.shape[:2], pixels.dtype)
    for rows in bands(result.shape):
        total = np.full(result[rows].shape, 32768 if whole else 0, wide)  # 32768: to round
        for channel, weight in enumerate(GREY):
            total += pixels[rows, :, channel].astype(wide) * weight
        result[rows] = total >> 16 if whole else total / 65536
    return result


def visible(result: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """As uint8: on the scale of `reference`; without one, the strongest 0.5 % become white."""
    if result is reference and result.dtype == np.uint8:
        return result
    if reference is None:
        low, high = 0.0, brightest((result[rows] for rows in bands(result.shape)), result.size)
    elif reference.dtype.kind == "f" or (result is reference and reference.dtype not in (np.uint8, np.uint16)):
        low, high = _finite_range(reference)  # nothing else says what is white
    else:
        low, high = 0.0, float(np.iinfo(reference.dtype).max) if result is reference else 1.0
    shown = np.empty(result.shape, np.uint8)
    for rows in bands(result.shape):
        shown[rows] = scaled(result[rows], low, high)
    return shown


def scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """As uint8: black for `low` and below, white for `high` and above."""
    span = high - low if high > low else 1.0
    values = np.nan_to_num(values.astype(np.float64), copy=False, nan=low)
    shown: np.ndarray = ((values.clip(low, low + span) - low) / span * 255 + 0.5).astype(np.uint8)
    return shown


def brightest(parts: Iterable[np.ndarray], size: int) -> float:
    """What is white of a picture of so many pixels: the strongest 0.5 % are."""
    return _upper_quantile(parts, size, 0.995)


def enough(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The floats for a smoothed picture: float32 is enough for 16 bits."""
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)


def _finite_range(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number; 0 and 1 where there is none."""
    low, high = np.inf, -np.inf
    for rows in bands(values.shape):
        part = values[rows]
        part = part[np.isfinite(part)] if part.dtype.kind == "f" else part
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    return (low, high) if low <= high else (0.0, 1.0)


def _upper_quantile(parts: Iterable[np.ndarray], size: int, share: float) -> float:
    """`np.quantile` of `size` values, of which those above it are gathered part by part, instead of a copy of all."""
    place = share * (size - 1)
    above = size - int(place)
    found, count, lowest = [np.empty(0)], 0, -np.inf

    def largest() -> np.ndarray:
        top = np.concatenate(found)
        return np.partition(top, top.size - above)[-above:] if top.size > above else top

    for part in parts:
        values = np.nan_to_num(part.astype(np.float64), copy=False)
        found.append(values[values > lowest])
        count += found[-1].size
        if count > 2 * above:
            found = [largest()]
            count, lowest = above, found[0].min()
    top = largest()
    return float(np.quantile(top, place % 1 / (above - 1) if above > 1 else 0.0))


def identities(paths: Iterable[pathlib.Path]) -> set[tuple[int, int]]:
    """What tells files apart, whatever their names; a file that is not there has no identity."""
    found = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def check_output(output: pathlib.Path, inputs: set[tuple[int, int]]) -> None:
    """Refuse before the work what could not be written after it; `inputs`: the identities of files to keep."""
    reason = obstacle(output)
    if reason:
        raise Refusal(f"cannot write {output}: {reason}")
    if not writable(output):
        raise Refusal(f"cannot write {output}: its name must end as a picture's, such as .png")
    if inputs & identities([output]):
        raise Refusal(f"cannot write {output}: it is an image to be read")


def has_quality(output: pathlib.Path) -> bool:
    """Whether a file of this name is compressed with losses."""
    return "quality" in COMPRESSION.get(_kind(output), {})


def write(output: pathlib.Path, picture: Picture, quality: int | None) -> None:
    """Write a picture in the way that the end of the name says; `quality`, if the file has one, from 1 to 100."""
    from PIL import Image

    pixels, alpha, profile, others = picture
    kind = _kind(output)
    further = [] if others is None else [*np.moveaxis(others, 2, 0)]
    meanings = (UNASSOCIATED,) * (alpha is not None) + (UNSPECIFIED,) * len(further)
    if meanings:
        pixels = np.dstack([pixels, *([] if alpha is None else [alpha]), *further])
    deep = pixels.dtype != np.uint8
    if (deep or further) and kind == "TIFF":
        write_whole(output, lambda file: tiff.write(file, pixels, meanings, profile))
        return
    if further:
        raise Refusal(f"cannot write {output}: it would not hold channels beside the colours; a .tif would")
    if deep and (pixels.dtype != np.uint16 or pixels.ndim == 3 or kind not in SIXTEEN_BITS):
        what = " in colour" if picture.pixels.ndim == 3 else " with transparency" if pixels.ndim == 3 else ""
        raise Refusal(f"cannot write {output}: it would not hold {pixels.dtype}{what}; a .tif would")
    options = dict(COMPRESSION.get(kind, {}))
    if quality is not None and has_quality(output):
        options["quality"] = quality
    if kind == "PNG":
        write_whole(output, lambda file: png_writer.write(file, pixels, profile))
        return
    if profile is not None:
        options["icc_profile"] = profile
    write_whole(output, lambda file: Image.fromarray(pixels).save(file, **options))


def write_whole(output: pathlib.Path, save: Callable[[IO[bytes]], object]) -> None:
    """Let `save` write into a file that takes its place when it is whole."""
    try:
        with replacing(output) as file:
            save(file)
    except Exception as error:  # Pillow's encoders raise many things, too
        raise Refusal(f"cannot write {output}: {reason(error)}") from error
