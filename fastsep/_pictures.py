"""Pictures in files: read, turned into grey or into something to look at, written whole or not at all."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np

from fastsep import _png, _png_writer, _tiff
from fastsep._files import replacing
from fastsep._refusal import Refusal, one_line
from fastsep._tiff import PREMULTIPLIED, UNASSOCIATED, UNSPECIFIED, Samples

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

# How much one step of a PNG file's grey counts in 8 bits, by Pillow's name of 2 and of 4 bits.
PNG_STEPS = {"L;2": 85, "L;4": 17}

BAND = 2**18  # pixels

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
        raise Refusal(f"cannot read the image {path}: {_reason(error)}") from error


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
            essence = _png.essence(stream)
            if essence is None:
                raise
            samples = _decoded(essence.file, path)._replace(profile=essence.profile)
    return _assembled(samples)  # after Pillow has given up its own


def _decoded(stream: IO[bytes], path: pathlib.Path) -> Samples:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(stream) as file:
            if file.format != "TIFF" or _tiff.is_for_pillow(file.tag_v2):
                return _from_pillow(file)
    except UnidentifiedImageError:
        stream.seek(0)
        if stream.read(4) not in _tiff.SIGNATURES:
            raise ValueError("it is not a picture, or a damaged one") from None
    return _tiff.read(path)


def _from_pillow(file: Any) -> Samples:
    tags = file.tag_v2 if file.format == "TIFF" else {}
    packing = _packing(file)
    profile = file.info.get("icc_profile")
    others: tuple[int, ...] = ()
    if file.mode.startswith(("I", "F")):  # 16 or 32 bits, which Pillow has in grey only
        values = _numbers(_samples(file, file.mode))
        hidden = file.info.get("transparency")
        if file.format == "PNG" and hidden is not None:
            alpha = np.where(values == hidden, 0, 65535).astype(np.uint16)
            values, others = np.stack([values, alpha], axis=2), (UNASSOCIATED,)
    elif file.mode == "La" or tags.get(_tiff.OTHERS) == (PREMULTIPLIED,):
        if packing == "RGBa":  # Pillow divides by alpha while it unpacks, and rounds down
            file.tile = [_repacked(tile, "RGBA") for tile in file.tile]
        values, others = _samples(file, file.mode), (PREMULTIPLIED,)
    else:
        mode = "L" if file.mode in ("1", "L", "LA") or packing == "LA;16B" else "RGB"
        if file.mode in ("CMYK", "LAB", "HSV", "YCbCr"):
            profile = None  # it does not fit the RGB values that follow
        if file.has_transparency_data:
            _scale_hidden_colour(file, packing)
            mode, others = mode + "A", (UNASSOCIATED,)
        values = _samples(file, mode)
    if dtype := _tiff.grey_type(tags):
        values = values.astype(dtype, copy=False)  # the same bits, or Pillow has widened them
    # Pillow turns TIFF files itself, and says so.
    return Samples(values, others, _orientation(file), profile)


def _packing(file: Any) -> str:
    """How samples lie in the file, in Pillow's words."""
    how = file.tile[0][3] if file.tile else ""
    return str(how[0] if isinstance(how, tuple) and how else how)


def _repacked(tile: Any, packing: str) -> Any:
    make = getattr(tile, "_make", tuple)  # since Pillow 11 the parts have names
    return make((*tile[:3], (packing, *tile[3][1:])))


def _scale_hidden_colour(file: Any, packing: str) -> None:
    """The colour of a PNG file's transparent pixels has the file's bits, the pixels that Pillow compares have 8."""
    hidden = file.info.get("transparency")
    if file.format != "PNG" or hidden is None:
        return
    if packing == "RGB;16B":
        raise ValueError("one colour of 16 bits is transparent in it, and Pillow reads 8")
    if packing in PNG_STEPS:
        file.info["transparency"] = hidden * PNG_STEPS[packing]


def _samples(file: Any, mode: str) -> np.ndarray:
    """The samples in a mode of Pillow's, band by band: as a whole, they would be copied twice on the way."""
    file.load()

    def band(start: int, stop: int) -> np.ndarray:
        part = file.crop((0, start, file.width, stop))
        return np.asarray(part if part.mode == mode else part.convert(mode))

    first = band(0, 1)
    values = np.empty((file.height, *first.shape[1:]), first.dtype)
    for rows in bands(values.shape):
        values[rows] = band(rows.start, rows.stop)
    return values


def _numbers(values: np.ndarray) -> np.ndarray:
    """As uint16 what Pillow has read into 32 bits for want of a mode."""
    if values.dtype == np.int32 and values.min() >= 0 and values.max() <= 65535:
        return values.astype(np.uint16)
    return values


def _orientation(file: Any) -> int:
    """Where the first row and the first column are, as in TIFF and EXIF; notes that cannot be read say nothing."""
    try:
        found = file.getexif().get(_tiff.ORIENTATION, 1)
    except Exception:
        return 1
    return found if isinstance(found, int) else 1


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
    most = np.iinfo(pixels.dtype).max if whole else 1
    for rows in bands(pixels.shape):
        part = pixels[rows]
        share = (alpha[rows] if part.ndim == 2 else alpha[rows][..., None]) / most
        values = np.divide(part, share, out=np.zeros(part.shape), where=share > 0)
        part[...] = np.minimum(np.rint(values), most) if whole else values


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows to work on together where what is made in between takes many bytes a pixel."""
    step = max(1, BAND // max(1, shape[1]))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


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
        low, high = 0.0, _upper_quantile(result, 0.995)
    elif reference.dtype.kind == "f" or (result is reference and reference.dtype not in (np.uint8, np.uint16)):
        low, high = finite_range(reference)  # nothing else says what is white
    else:
        low, high = 0.0, float(np.iinfo(reference.dtype).max) if result is reference else 1.0
    span = high - low if high > low else 1.0
    shown = np.empty(result.shape, np.uint8)
    for rows in bands(result.shape):
        values = np.nan_to_num(result[rows].astype(np.float64), copy=False, nan=low)
        shown[rows] = (values.clip(low, low + span) - low) / span * 255 + 0.5
    return shown


def finite_range(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number; 0 and 1 where there is none."""
    low, high = np.inf, -np.inf
    for rows in bands(values.shape):
        part = values[rows]
        part = part[np.isfinite(part)] if part.dtype.kind == "f" else part
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    return (low, high) if low <= high else (0.0, 1.0)


def _upper_quantile(values: np.ndarray, share: float) -> float:
    """`np.quantile`, for which the values above it are gathered band by band, instead of a copy of all."""
    place = share * (values.size - 1)
    above = values.size - int(place)
    top = np.empty(0)
    for rows in bands(values.shape):
        top = np.concatenate([top, np.nan_to_num(values[rows].astype(np.float64), copy=False).ravel()])
        if top.size > above:
            top = np.partition(top, top.size - above)[-above:]
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
    if output.exists() and not output.is_file():
        raise Refusal(f"cannot write {output}: it exists and is not a file")
    if output.exists() and not os.access(output, os.W_OK):
        raise Refusal(f"cannot write {output}: it is write-protected")
    if not writable(output):
        raise Refusal(f"cannot write {output}: its name must end as a picture's, such as .png")
    if inputs & identities([output]):
        raise Refusal(f"cannot write {output}: it is an image to be read")
    # Through a link the file behind it is written.
    folder = pathlib.Path(os.path.realpath(output)).parent if output.is_symlink() else output.parent
    if not folder.is_dir():
        raise Refusal(f"cannot write {output}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise Refusal(f"cannot write {output}: the folder {folder} is not writable")


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
        write_whole(output, lambda file: _tiff.write(file, pixels, meanings, profile))
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
        write_whole(output, lambda file: _png_writer.write(file, pixels, profile))
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
        raise Refusal(f"cannot write {output}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)
