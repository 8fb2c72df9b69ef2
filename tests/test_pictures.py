"""What comes out of picture files by the rules of their formats: values, types, orientation, transparency, channels."""

import importlib.util
import itertools
import struct
import zlib

import numpy as np
import pytest

from fastsep._cli.errors import Refusal
from fastsep._cli.pictures import picture as _pictures
from fastsep._cli.pictures import samples as _samples

Image = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")

ORIENTATION, PROFILE = 274, b"not checked by anybody"

#: By orientation: the sides of the upright picture at which the first row and the first column of the file lie.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
CHANNELS = {"grey": (1, None), "grey and alpha": (2, [2]), "RGB": (3, None), "RGB and alpha": (4, [2])}
LAYOUTS = {
    "one strip": {},
    "strips": {"rowsperstrip": 5},
    "tiles": {"tile": (16, 16)},
    "planes": {"planarconfig": "separate", "rowsperstrip": 5},
}
COMPRESSIONS = {
    "plain": {},
    "deflate": {"compression": "zlib"},
    "differences": {"compression": "zlib", "predictor": 2},
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "picture"


@pytest.fixture(autouse=True)
def small_bands(monkeypatch):
    """The pictures here are small, and are to be read in several bands."""
    monkeypatch.setattr(_samples, "BAND", 100)


def stored(upright, orientation):
    """The rows of a file of that orientation."""
    first_row, first_column = SIDES[orientation]
    values = upright.swapaxes(0, 1) if first_row in ("left", "right") else upright
    if first_row in ("bottom", "right"):
        values = values[::-1]
    if first_column in ("bottom", "right"):
        values = values[:, ::-1]
    return values


def samples(rng, shape, dtype):
    """Values of the whole range of a type."""
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 300 - 100).astype(dtype)
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    values.flat[:2] = info.min, info.max
    return values


def tiff(path, upright, orientation=1, planarconfig="contig", **options):
    """Write samples (rows, columns, channels) by tifffile."""
    values = stored(upright, orientation)
    if values.shape[2] == 1:
        values, planarconfig = values[..., 0], None
    elif planarconfig == "separate":
        values = np.moveaxis(values, 2, 0)
    turn = (ORIENTATION, "H", 1, orientation, True)
    tifffile.imwrite(path, values, planarconfig=planarconfig, extratags=[turn], **options)
    return path


def raw_tiff(path, width, height, data, tags):
    """A file of one strip, written by hand: numbers of 16 bits by tag, one or several."""
    tags = {256: width, 257: height, 259: 1, 273: 0, 278: height, 279: len(data), **tags}
    tags = {tag: value if isinstance(value, tuple) else (value,) for tag, value in sorted(tags.items())}
    beyond = 8 + 2 + 12 * len(tags) + 4  # where values lie that have no room in their entry, and then the strip
    tags[273] = (beyond + sum(2 * len(value) for value in tags.values() if len(value) > 2),)
    entries = far = b""
    for tag, value in tags.items():
        packed = struct.pack(f"<{len(value)}H", *value)
        entries += struct.pack("<HHI", tag, 3, len(value))
        entries += packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", beyond + len(far))
        far += packed if len(packed) > 4 else b""
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + far + data)
    return path


def png(path, width, height, bits, colours, rows, *chunks, after=()):
    """A file written by hand: chunks are (name, data), before the pixels and after them."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), *after, (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + b"".join(part if isinstance(part, bytes) else chunk(*part) for part in parts)
    )
    return path


def check(picture, pixels, alpha=None, others=None):
    for found, expected in ((picture.pixels, pixels), (picture.alpha, alpha), (picture.others, others)):
        if expected is None:
            assert found is None
            continue
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.dtype.isnative
        assert np.array_equal(found, expected)


def parts(values):
    """Grey or colours, and alpha."""
    channels = values.shape[2]
    pixels = values[..., 0] if channels < 3 else values[..., :3]
    return pixels, values[..., -1] if channels in (2, 4) else None


# ---- TIFF


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_tiff_of_every_type_layout_order_of_bytes_and_compression(file, rng, dtype, channels):
    number, others = CHANNELS[channels]
    photometric = "rgb" if number > 2 else "minisblack"
    orientations = itertools.cycle(SIDES)
    for (i, layout), (j, compression) in itertools.product(enumerate(LAYOUTS), enumerate(COMPRESSIONS)):
        if compression == "differences" and np.dtype(dtype).kind == "f":
            continue
        order = "<>"[(i + j + number) % 2]  # each meets every layout, compression and number of channels
        for orientation in itertools.islice(orientations, 3):
            upright = samples(rng, (22, 17, number), dtype)
            options = {**LAYOUTS[layout], **COMPRESSIONS[compression], "photometric": photometric}
            tiff(file, upright, orientation, byteorder=order, extrasamples=others, **options)
            check(_pictures.read(file), *parts(upright))


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("shape", [(22, 17), (1, 5), (5, 1), (1, 1), (300, 200)])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_tiff_of_one_plain_strip_is_turned(file, rng, dtype, orientation, shape):
    # Pillow would map such a file into memory, in the wrong shape.
    upright = samples(rng, (*shape, 1), dtype)
    check(_pictures.read(tiff(file, upright, orientation, photometric="minisblack")), upright[..., 0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize(
    ("colours", "meanings"),
    [(1, [0]), (1, [0, 0]), (1, [2, 0]), (1, [0, 2]), (3, [0]), (3, [0, 0]), (3, [2, 0]), (3, [0, 2, 0])],
)
def test_channels_that_are_neither_colour_nor_transparency_are_kept(
    file, rng, dtype, planarconfig, colours, meanings
):  # fmt: skip
    values = samples(rng, (14, 17, colours + len(meanings)), dtype)
    kind = "rgb" if colours == 3 else "minisblack"
    tiff(file, values, 6, planarconfig, photometric=kind, extrasamples=meanings)
    pixels = values[..., 0] if colours == 1 else values[..., :3]
    alpha = values[..., colours + meanings.index(2)] if 2 in meanings else None
    others = values[..., [colours + n for n, meaning in enumerate(meanings) if meaning == 0]]
    picture = _pictures.read(file)
    check(picture, pixels, alpha, others)
    again = file.with_name("again.tif")
    _pictures.write(again, picture, None)
    check(_pictures.read(again), pixels, alpha, others)
    with pytest.raises(Refusal, match="would not hold channels beside the colours"):
        _pictures.write(file.with_name("again.png"), picture, None)


def test_one_channel_more_without_a_name_is_transparency(file, rng):
    # Old programs left the tag out. Of several such channels nothing is known.
    values = rng.integers(0, 256, (3, 4, 4), dtype=np.uint8)
    raw_tiff(file, 4, 3, values.tobytes(), {258: (8,) * 4, 262: 2, 277: 4})
    check(_pictures.read(file), values[..., :3], values[..., 3])
    values = rng.integers(0, 65536, (3, 4, 2), dtype=np.uint16)
    raw_tiff(file, 4, 3, values.tobytes(), {258: (16,) * 2, 262: 1, 277: 2})
    check(_pictures.read(file), values[..., 0], values[..., 1])
    values = rng.integers(0, 65536, (3, 4, 5), dtype=np.uint16)
    raw_tiff(file, 4, 3, values.tobytes(), {258: (16,) * 5, 262: 2, 277: 5})
    check(_pictures.read(file), values[..., :3], None, values[..., 3:])


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32"])
def test_colours_that_are_multiplied_by_alpha_are_divided_by_it(file, rng, dtype, colours, planarconfig):
    whole = np.dtype(dtype).kind == "u"
    most = np.iinfo(dtype).max if whole else 1
    alpha = rng.random((40, 50, 1)) * most
    alpha.flat[:3] = 0, most, most / 3
    alpha = alpha.astype(dtype)
    values = (rng.random((40, 50, colours)) * alpha).astype(dtype)
    exact = np.divide(values * float(most), alpha, out=np.zeros(values.shape), where=alpha > 0)
    expected = (np.rint(exact) if whole else exact).astype(dtype)
    kind = "rgb" if colours == 3 else "minisblack"
    for compression in (None, "zlib"):
        stack = np.concatenate([values, alpha], axis=2)
        tiff(file, stack, 7, planarconfig, photometric=kind, extrasamples=[1], compression=compression)
        check(_pictures.read(file), expected[..., 0] if colours == 1 else expected, alpha[..., 0])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32"])
def test_zero_that_is_white_becomes_the_largest_value(file, rng, dtype):
    info = np.iinfo(dtype)
    values = samples(rng, (5, 6, 1), dtype)
    expected = (int(info.min) + int(info.max) - values.astype(np.int64)).astype(dtype)
    check(_pictures.read(tiff(file, values, photometric="miniswhite")), expected[..., 0])
    more = samples(rng, (5, 6, 2), dtype)
    more[..., :1] = values
    tiff(file, more, photometric="miniswhite", extrasamples=[2])
    check(_pictures.read(file), expected[..., 0], more[..., 1])


def pack(values, bits, first_in_low_bits):
    """Rows of numbers of few bits, each row in whole bytes."""
    digits = (values[..., None] >> np.arange(bits)[::-1]) & 1
    order = "little" if first_in_low_bits else "big"
    return np.packbits(digits.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder=order).tobytes()


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("fill", [1, 2])
@pytest.mark.parametrize("white_is_zero", [True, False])
def test_tiff_of_few_bits_has_the_range_of_8(file, rng, bits, fill, white_is_zero):
    most = 2**bits - 1
    values = rng.integers(0, most + 1, (5, 11))
    data = pack(values, bits, fill == 2)
    raw_tiff(file, 11, 5, data, {258: bits, 262: int(not white_is_zero), 266: fill, 277: 1})
    check(_pictures.read(file), ((most - values if white_is_zero else values) * 255 // most).astype(np.uint8))


def test_tiff_of_12_bits_keeps_its_values(file, rng):
    values = rng.integers(0, 4096, (5, 8))
    raw_tiff(file, 8, 5, pack(values, 12, False), {258: 12, 262: 1, 277: 1})
    check(_pictures.read(file), values.astype(np.uint16))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_tiff_with_compressions_of_pillows(file, rng, mode, compression):
    values = rng.integers(0, 256, (30, 40, 4), dtype=np.uint8)
    if mode in ("I;16", "I", "F"):
        pixels = samples(rng, (30, 40), {"I;16": "uint16", "I": "int32", "F": "float32"}[mode])
        Image.fromarray(pixels).save(file, "TIFF", compression=compression)
        check(_pictures.read(file), pixels)
        return
    image = Image.fromarray(values).convert("RGB").convert(mode) if mode in ("P", "CMYK") else Image.fromarray(values)
    image = image.convert(mode)
    image.save(file, "TIFF", compression=compression)
    alpha = values[..., 3] if mode.endswith("A") else None
    check(_pictures.read(file), np.array(image.convert("L" if mode in ("1", "L", "LA") else "RGB")), alpha)


def srgb(lab):
    """Of CIELAB under the light D50, adapted to the light D65 by Bradford's method (IEC 61966-2-1, CIE 15)."""
    y = (lab[..., 0] + 16) / 116
    ratios = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(ratios > 6 / 29, ratios**3, 3 * (6 / 29) ** 2 * (ratios - 4 / 29)) * (0.96422, 1.0, 0.82521)
    matrix = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    light = np.clip(xyz @ np.transpose(matrix), 0, 1)
    return np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


def test_tiff_with_the_colours_of_lab(file):
    light, a, b = np.meshgrid(np.linspace(40, 85, 8), [-15, 0, 15], [-15, 0, 15], indexing="ij")
    values = np.stack([np.rint(light * 2.55), a, b], axis=-1).reshape(8, 9, 3).astype(np.int16)
    expected = 255 * srgb(values / (2.55, 1, 1))
    tiff(file, values.astype(np.uint8), photometric="cielab")  # a and b have a sign
    # Two steps: colour management interpolates in a table.
    assert np.abs(_pictures.read(file).pixels - expected).max() <= 2


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.zeros((4, 5), np.uint64), {"photometric": "minisblack"}, "64 bits and type uint64"),
        (np.zeros((4, 5), np.int64), {"photometric": "minisblack"}, "64 bits and type int64"),
        (np.zeros((4, 5), np.complex64), {"photometric": "minisblack"}, "64 bits and type complex64"),
        (np.zeros((4, 5), np.float32), {"photometric": "miniswhite"}, "white is zero in it"),
        (np.zeros((4, 5, 4), np.uint16), {"photometric": "separated"}, "neither grey nor RGB"),
        (np.zeros((6, 7, 5), np.uint8), {"photometric": "separated", "extrasamples": [0]}, "neither grey nor RGB"),
        (np.zeros((6, 7, 5), np.uint8), {"photometric": "separated", "extrasamples": [2]}, "neither grey nor RGB"),
        (np.zeros((4, 5, 3), np.uint16), {"photometric": "cielab"}, "neither grey nor RGB"),
        (np.zeros((4, 5, 3), np.uint8), {"photometric": "icclab"}, "neither grey nor RGB"),
        (np.zeros((4, 5), np.uint16), {"photometric": "palette", "colormap": np.zeros((3, 65536), "u2")}, "neither"),
    ],
)
def test_tiff_that_cannot_be_read_as_it_is_meant_gets_one_line(file, values, options, message):
    tifffile.imwrite(file, values, **options)
    with pytest.raises(Refusal, match=message) as caught:
        _pictures.read(file)
    assert str(caught.value).startswith(f"cannot read the image {file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("imagecodecs") is not None, reason="with it, the file is read")
def test_tiff_that_only_another_package_unpacks_is_refused_with_its_name(file, rng):
    # Pillow would unpack it, and leave out the fourth channel.
    Image.frombytes("RGBX", (40, 30), rng.bytes(4800)).save(file, "TIFF", compression="tiff_lzw")
    with pytest.raises(Refusal, match=r"picture: <COMPRESSION\.LZW: 5> requires the 'imagecodecs' package$"):
        _pictures.read(file)


# ---- PNG


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("hidden", [False, True])
def test_grey_png_of_few_bits(file, rng, bits, hidden):
    most = 2**bits - 1
    values = rng.integers(0, most + 1, (5, 11))
    values[0, :2] = 0, most
    rows = [pack(row[None], bits, False) for row in values]
    png(file, 11, 5, bits, 0, rows, *[(b"tRNS", struct.pack(">H", most))] * hidden)
    alpha = np.where(values == most, 0, 255).astype(np.uint8) if hidden else None
    check(_pictures.read(file), (values * 255 // most).astype(np.uint8), alpha)


def test_png_of_16_bits(file, rng):
    values = rng.integers(0, 65536, (5, 11), dtype=np.uint16)
    rows = [row.astype(">u2").tobytes() for row in values]
    check(_pictures.read(png(file, 11, 5, 16, 0, rows)), values)
    hidden = int(values[2, 3])
    png(file, 11, 5, 16, 0, rows, (b"tRNS", struct.pack(">H", hidden)))
    check(_pictures.read(file), values, np.where(values == hidden, 0, 65535).astype(np.uint16))
    png(file, 11, 5, 16, 2, [3 * row for row in rows], (b"tRNS", struct.pack(">3H", 7, 8, 9)))
    with pytest.raises(Refusal, match="one colour of 16 bits is transparent"):
        _pictures.read(file)
    # With transparency in a channel, or in colour, Pillow has 8 bits: the upper ones.
    for colours, channels in ((4, 2), (2, 3), (6, 4)):
        values = rng.integers(0, 65536, (5, 11, channels), dtype=np.uint16)
        png(file, 11, 5, 16, colours, [row.astype(">u2").tobytes() for row in values])
        check(_pictures.read(file), *parts((values >> 8).astype(np.uint8)))


def test_png_in_colours_of_which_one_is_not_seen(file, rng):
    values = rng.integers(0, 256, (5, 11, 3), dtype=np.uint8)
    values[1, 2] = values[3, 4] = 200, 100, 50
    png(file, 11, 5, 8, 2, [row.tobytes() for row in values], (b"tRNS", struct.pack(">3H", 200, 100, 50)))
    hidden = (values == (200, 100, 50)).all(axis=2)
    check(_pictures.read(file), values, np.where(hidden, 0, 255).astype(np.uint8))


def test_png_with_a_palette(file, rng):
    palette = rng.integers(0, 256, (7, 3), dtype=np.uint8)
    places = rng.integers(0, 7, (5, 11), dtype=np.uint8)
    rows = [row.tobytes() for row in places]
    colours = (b"PLTE", palette.tobytes())
    check(_pictures.read(png(file, 11, 5, 8, 3, rows, colours)), palette[places])
    png(file, 11, 5, 8, 3, rows, colours, (b"tRNS", bytes([0, 128, 255])))  # the others are opaque
    check(_pictures.read(file), palette[places], np.array([0, 128, 255, 255, 255, 255, 255], np.uint8)[places])


HUGE = 5 * 2**20  # bytes; Pillow takes one


def international(text):
    return b"iTXt", b"Notes\0\x01\0\0\0" + zlib.compress(text)


BROKEN_NOTES = {
    "long text, packed": [(b"zTXt", b"Notes\0\0" + zlib.compress(bytes(HUGE)))],
    "long text of the world": [international(b"x" * HUGE)],
    "much text": [(b"tEXt", b"Notes\0" + b"x" * 2**20)] * 70,
    "text, packed in an unknown way": [(b"zTXt", b"Notes\0\x07" + zlib.compress(b"x"))],
    "text with a wrong checksum": [struct.pack(">I", 7) + b"tEXtNotes\0x" + bytes(4)],
    "a size of half a length": [(b"pHYs", bytes(3))],
    "colours of no length": [(b"gAMA", b"")],
}


@pytest.mark.parametrize("notes", BROKEN_NOTES)
@pytest.mark.parametrize("place", ["before", "after"])
def test_png_with_notes_that_cannot_be_read(file, rng, notes, place):
    values = rng.integers(0, 256, (5, 11, 3), dtype=np.uint8)
    rows, chunks = [row.tobytes() for row in values], BROKEN_NOTES[notes]
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole = [(b"eXIf", exif.tobytes()[6:]), (b"iCCP", b"ICC\0\0" + zlib.compress(PROFILE))]
    if place == "before":
        png(file, 11, 5, 8, 2, rows, *whole, *chunks)
    else:
        png(file, 11, 5, 8, 2, rows, *whole, after=chunks)
    picture = _pictures.read(file)
    assert np.array_equal(stored(picture.pixels, 6), values)
    assert picture.profile == PROFILE


def test_png_with_a_large_profile_keeps_it(file, rng):
    values = rng.integers(0, 256, (5, 11, 3), dtype=np.uint8)
    profile = rng.bytes(3 * 2**20)
    Image.fromarray(values).save(file, "PNG", icc_profile=profile)
    picture = _pictures.read(file)
    check(picture, values)
    assert picture.profile == profile
    again = file.with_suffix(".png")
    _pictures.write(again, picture, None)
    assert _pictures.read(again).profile == profile


@pytest.mark.parametrize(
    "chunk", [b"ICC\0\0no stream", b"ICC\0\0" + zlib.compress(PROFILE)[:-7], b"ICC", b"ICC\0\x05x"]
)
def test_png_with_a_broken_profile_loses_it(file, rng, chunk):
    values = rng.integers(0, 256, (5, 11), dtype=np.uint8)
    png(file, 11, 5, 8, 0, [row.tobytes() for row in values], (b"iCCP", chunk), (b"zTXt", b"x\0\x07"))
    picture = _pictures.read(file)
    check(picture, values)
    assert picture.profile is None


def test_png_that_is_cut_is_no_picture_whatever_its_notes(file, rng):
    values = rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)
    png(file, 60, 50, 8, 2, [row.tobytes() for row in values], international(bytes(HUGE)))
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(Refusal, match="cannot read the image"):
        _pictures.read(file)


def test_pillows_limits_are_what_they_were(file):
    from PIL import PngImagePlugin

    def limits():
        return Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY

    before = limits()
    png(file, 1, 1, 8, 0, [b"x"], international(bytes(HUGE)))
    _pictures.read(file)
    assert limits() == before


# ---- what cameras write


def exif_with(entries):
    """EXIF data of tags (number, type, count, four bytes) in one folder, as cameras write it."""
    body = b"".join(struct.pack("<HHI4s", *entry) for entry in sorted(entries))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)


BROKEN_EXIF = {
    "a fraction beyond the end": (282, 5, 1, struct.pack("<I", 60000)),
    "a fraction of no place": (282, 5, 1, bytes(4)),
    "a fraction of another type": (33434, 2, 4, b"1/60"),
    "fractions without number": (34853, 5, 0, bytes(4)),
    "notes beyond the end": (34665, 4, 1, struct.pack("<I", 60000)),
    "an unknown type": (282, 77, 1, bytes(4)),
}


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_pictures_are_turned_as_the_camera_was_held(file, rng, suffix, orientation):
    upright = np.kron(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = file.with_suffix(f".{suffix}")
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    Image.fromarray(stored(upright, orientation)).save(file, exif=exif, **options)
    found = _pictures.read(file).pixels
    assert found.shape == upright.shape
    # JPEG rounds its cosines and the colours.
    assert np.abs(found.astype(int) - upright).max() <= (4 if suffix == "jpg" else 0)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("broken", BROKEN_EXIF)
def test_notes_of_the_camera_that_cannot_be_read_are_left_out(file, rng, broken, suffix, orientation):
    upright = np.kron(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    exif = exif_with([(ORIENTATION, 3, 1, struct.pack("<HH", orientation, 0)), BROKEN_EXIF[broken]])
    file = file.with_suffix(f".{suffix}")
    Image.fromarray(stored(upright, orientation)).save(file, exif=exif, quality=100, lossless=True, subsampling=0)
    found = _pictures.read(file).pixels
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= (4 if suffix == "jpg" else 0)


@pytest.mark.parametrize("entry", [(2, 4, b"six\0"), (5, 1, struct.pack("<I", 60000)), (3, 1, b"\x09\0\0\0")])
def test_an_orientation_that_makes_no_sense_turns_nothing(file, rng, entry):
    values = rng.integers(0, 256, (5, 11), dtype=np.uint8)
    Image.fromarray(values).save(file, "PNG", exif=exif_with([(ORIENTATION, *entry)]))
    check(_pictures.read(file), values)


# ---- brightness and what is shown


@pytest.mark.parametrize("dtype", DTYPES)
def test_brightness_has_the_type_of_the_picture(rng, dtype):
    pixels = samples(rng, (9, 13, 3), dtype)
    found = _pictures.grey(pixels)
    assert found.dtype == dtype
    exact = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    whole = np.dtype(dtype).kind in "ui"
    # The weights are whole parts of 65536, and whole numbers are rounded.
    step = 0.5 if whole else 4 * np.finfo(dtype).eps * 300
    assert np.abs(found - exact).max() <= step + 2 * 300 / 65536 * (np.iinfo(dtype).max / 255 if whole else 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (7, 30), (200, 301)])
@pytest.mark.parametrize("dtype", ["bool", "float32", "float64"])
def test_the_strongest_half_per_cent_become_white(rng, size, dtype):
    values = (rng.random(size) ** 8 * 3).astype(dtype)
    high = np.quantile(values.astype(np.float64), 0.995) or 1.0
    expected = np.clip(values / high * 255 + 0.5, 0, 255).astype(np.uint8)
    assert np.abs(_pictures.visible(values, None).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float16", "float32", "float64"])
def test_numbers_that_have_no_white_are_shown_from_the_smallest_to_the_largest(rng, dtype):
    values = (rng.random((9, 13)) * 100 + 20).astype(dtype)
    if values.dtype.kind == "f":
        values[0, :3] = np.nan, np.inf, -np.inf
    shown = _pictures.visible(values, values)
    finite = np.isfinite(values)
    numbers = values[finite].astype(np.float64)
    expected = (numbers - numbers.min()) / np.ptp(numbers) * 255
    assert np.abs(shown[finite] - expected).max() <= 0.51
