"""PNG files, as Pillow reads them."""

import io

import numpy as np
import pytest

from fastsep._cli.pictures import png_writer

Image = pytest.importorskip("PIL.Image")


def written(pixels, profile=None):
    file = io.BytesIO()
    png_writer.write(file, pixels, profile)
    file.seek(0)
    return Image.open(file)


@pytest.mark.parametrize("rows", [1, 2, 3, 17])
@pytest.mark.parametrize("columns", [1, 2, 29])
@pytest.mark.parametrize(
    ("channels", "dtype", "mode"),
    [
        ((), np.uint8, "L"),
        ((), np.uint16, "I;16"),
        ((2,), np.uint8, "LA"),
        ((3,), np.uint8, "RGB"),
        ((4,), np.uint8, "RGBA"),
    ],
)
@pytest.mark.parametrize("band", [1, 100, 2**20])
def test_pixels_come_back(rng, monkeypatch, rows, columns, channels, dtype, mode, band):
    monkeypatch.setattr(png_writer, "BAND", band)
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (rows, columns, *channels), dtype=dtype)
    picture = written(pixels)
    picture.load()  # checks every chunk's checksum, too
    assert (picture.format, picture.mode) == ("PNG", mode)
    np.testing.assert_array_equal(np.array(picture), pixels)


@pytest.mark.parametrize("order", ["F", "<", ">"])
def test_any_layout_and_order_of_bytes(rng, order):
    pixels = rng.integers(0, 65536, (13, 8), dtype=np.uint16)
    given = np.asfortranarray(pixels) if order == "F" else pixels.astype(np.dtype(np.uint16).newbyteorder(order))
    for image in (given, np.stack([given, given], axis=1)[:, 1]):
        np.testing.assert_array_equal(np.array(written(image)), pixels)
    channels = rng.integers(0, 256, (3, 13, 8), dtype=np.uint8)
    np.testing.assert_array_equal(np.array(written(np.moveaxis(channels, 0, 2))), np.moveaxis(channels, 0, 2))


@pytest.mark.parametrize("profile", [None, b"", b"not checked by anybody", bytes(range(256)) * 4000])
def test_the_profile_comes_back(rng, profile):
    picture = written(rng.integers(0, 256, (4, 5), dtype=np.uint8), profile)
    assert picture.info.get("icc_profile") == (profile or None)


def test_what_is_alike_takes_little(rng):
    ramp = np.add.outer(np.arange(500), rng.integers(0, 100, 600)).astype(np.uint8)
    file = io.BytesIO()
    png_writer.write(file, ramp, None)
    assert len(file.getvalue()) < ramp.size / 50
