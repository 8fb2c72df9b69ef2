"""Pictures in files: read, turned into grey or into something to look at, written whole or not at all."""

from __future__ import annotations

import logging
import os
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np

from fastsep._files import replacing
from fastsep._refusal import Refusal, extra, one_line

# Pillow refuses pictures of more than twice this: far above any camera, and far below the sizes that
# damaged headers claim. Its own limit, 179 million, is less than what telephones take.
LARGEST = 2**29

# Kinds of files that hold 16 bits, of grey. Pillow writes others without a word, and clips.
SIXTEEN_BITS = ("JPEG2000", "PNG", "PPM")

# How files are compressed. Pillow's own quality, 75, shows; its own level of PNG takes more than four times
# as long, for a sixth fewer bytes.
COMPRESSION: dict[str | None, dict[str, Any]] = {
    "AVIF": {"quality": 95},
    "JPEG": {"quality": 95},
    "PNG": {"compress_level": 2},
    "WEBP": {"quality": 95},
}

# In 1 / 65536, as Pillow has them: the weights of ITU-R 601. The sum of 16-bit products fits 32 bits.
GREY = (19595, 38470, 7471)


class Picture(NamedTuple):
    pixels: np.ndarray  # (rows, columns) or (rows, columns, 3); uint8, uint16 or float
    alpha: np.ndarray | None  # (rows, columns), of the same dtype
    profile: bytes | None  # what the colours mean (ICC)


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
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            if not _needs_tifffile(file):
                return _from_pillow(ImageOps.exif_transpose(file))
    except UnidentifiedImageError:
        if _kind(path) != "TIFF":
            raise Refusal(f"cannot read the image {path}: it is not a picture, or a damaged one") from None
    return _from_tifffile(path)


def _needs_tifffile(file: Any) -> bool:
    """Whether Pillow would keep only 8 bits of the file's, or take white for black."""
    if file.format != "TIFF":
        return False
    bits, photometric = file.tag_v2.get(258, (1,)), file.tag_v2.get(262)
    return max(bits) > 8 and (len(bits) > 1 or photometric == 0)


def _from_pillow(picture: Any) -> Picture:
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith(("I", "F")):  # 16 or 32 bits, which Pillow has in grey only
        return Picture(_native(np.array(picture)), None, profile)
    if picture.mode in ("CMYK", "LAB", "HSV", "YCbCr"):
        profile = None  # it does not fit the RGB values that follow
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if not picture.has_transparency_data:
        return Picture(np.array(picture.convert(mode)), None, profile)
    samples = np.array(picture.convert(mode + "A"))
    return _split(samples, profile)


def _from_tifffile(path: pathlib.Path) -> Picture:
    tifffile = extra("tifffile", "tifffile")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it says of damaged files, it raises, too
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        samples = page.asarray()
        white_is_zero, profile = page.photometric == 0, page.tags.valueof(34675)
        if page.photometric not in (0, 1, 2) or page.axes not in ("YX", "YXS", "SYX"):
            raise Refusal(f"cannot read the image {path}: it is neither grey nor RGB")
        if page.axes == "SYX":
            samples = np.moveaxis(samples, 0, -1)
        orientation = page.tags.valueof(274, default=1)
    samples = _native(_turned(samples, orientation))
    if white_is_zero and samples.dtype.kind == "u":
        samples = ~samples
    if samples.ndim == 2 or samples.shape[2] == 3:
        return Picture(samples, None, profile)
    if samples.shape[2] not in (2, 4):
        raise Refusal(f"cannot read the image {path}: it has {samples.shape[2]} channels")
    return _split(samples, profile)


def _split(samples: np.ndarray, profile: bytes | None) -> Picture:
    """Grey or colour, and alpha, which is the last channel."""
    pixels = samples[..., 0] if samples.shape[2] == 2 else samples[..., :3]
    return Picture(np.ascontiguousarray(pixels), samples[..., -1], profile)


def _native(samples: np.ndarray) -> np.ndarray:
    """As uint8, uint16 or a float type, in the byte order of this machine."""
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float64 if samples.dtype.itemsize > 4 else np.float32)
    if samples.dtype == np.uint8:
        return np.ascontiguousarray(samples)
    fits = samples.min() >= 0 and samples.max() <= 65535
    return np.ascontiguousarray(samples, np.uint16 if fits else np.float64)


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Upright: `orientation` says where the first row and the first column are, as in TIFF and EXIF."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def grey(pixels: np.ndarray) -> np.ndarray:
    """Brightness, of the same dtype; of 8 bits exactly Pillow's."""
    if pixels.ndim == 2:
        return pixels
    whole = pixels.dtype.kind == "u"
    total = np.full(pixels.shape[:2], 32768 if whole else 0, np.uint32 if whole else pixels.dtype)  # 32768: to round
    for channel, weight in enumerate(GREY):
        total += pixels[..., channel].astype(total.dtype) * weight
    return (total >> 16).astype(pixels.dtype) if whole else total / 65536


def visible(result: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """As uint8: on the scale of `reference`; without one, the strongest 0.5 % become white."""
    if result is reference and result.dtype == np.uint8:
        return result
    values = np.nan_to_num(result.astype(np.float64))
    if reference is None:
        low, high = 0.0, float(np.quantile(values, 0.995))
    elif reference.dtype.kind == "f":
        finite = reference[np.isfinite(reference)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    else:
        low, high = 0.0, float(np.iinfo(reference.dtype).max) if result is reference else 1.0
    span = high - low if high > low else 1.0
    return np.asarray(np.clip((values - low) / span * 255 + 0.5, 0, 255), np.uint8)


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

    pixels, alpha, profile = picture
    kind = _kind(output)
    if alpha is not None:
        pixels = np.dstack([pixels, alpha])
    deep = pixels.dtype != np.uint8
    if deep and kind == "TIFF":
        write_whole(output, lambda file: _write_tiff(file, pixels, alpha is not None, profile))
        return
    if deep and (pixels.dtype != np.uint16 or pixels.ndim == 3 or kind not in SIXTEEN_BITS):
        colour = " in colour" if pixels.ndim == 3 else ""
        raise Refusal(f"cannot write {output}: it would not hold {pixels.dtype}{colour}; a .tif would")
    options = dict(COMPRESSION.get(kind, {}))
    if quality is not None and has_quality(output):
        options["quality"] = quality
    if profile is not None:
        options["icc_profile"] = profile
    write_whole(output, lambda file: Image.fromarray(pixels).save(file, **options))


def _write_tiff(file: IO[bytes], pixels: np.ndarray, alpha: bool, profile: bytes | None) -> None:
    """With more than 8 bits, which Pillow writes in grey only."""
    extra("tifffile", "tifffile").imwrite(
        file,
        pixels,
        photometric="rgb" if pixels.ndim == 3 and pixels.shape[2] > 2 else "minisblack",
        planarconfig="contig" if pixels.ndim == 3 else None,
        extrasamples=["unassalpha"] if alpha else None,
        iccprofile=profile,
        metadata=None,
        software=False,
    )


def write_whole(output: pathlib.Path, save: Callable[[IO[bytes]], object]) -> None:
    """Let `save` write into a file that takes its place when it is whole."""
    try:
        with replacing(output) as file:
            save(file)
    except Exception as error:  # Pillow's encoders raise many things, too
        raise Refusal(f"cannot write {output}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)
