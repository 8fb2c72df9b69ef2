"""The commands that filter pictures in files: `edges`, `blur` and `sharpen`."""

import importlib.util
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from helpers import slow
from picture_files import grey_of, load, names, save

import fastsep
from fastsep._cli.pictures import picture

Image = pytest.importorskip("PIL.Image")
PngInfo = pytest.importorskip("PIL.PngImagePlugin").PngInfo
tifffile = pytest.importorskip("tifffile")
tqdm = pytest.importorskip("tqdm")

ORIENTATION, PROFILE, SPECIAL = 0x0112, b"not checked by anybody", "name with  two spaces.png"


pytestmark = pytest.mark.usefixtures("folder")


# ---- what is computed


def test_edges_of_a_photograph_are_those_of_canny(command, photo):
    save("a.png", photo)
    assert command("edges", "a.png", "-o", "e.png") == (0, "wrote e.png\n", "")
    assert np.array_equal(load("e.png"), 255 * fastsep.canny(grey_of(photo)).astype(np.uint8))
    command("edges", "a.png", "-o", "e.png", "--sigma", 2, "--low", 20, "--high", "60.5")
    assert np.array_equal(load("e.png") == 255, fastsep.canny(grey_of(photo), 2, 20, 60.5))
    assert load("e.png").any()


@pytest.mark.parametrize("method", ["sobel", "scharr", "prewitt", "farid"])
def test_other_edges_are_strengths_or_black_and_white(command, photo, method):
    save("a.png", photo)
    strength = getattr(fastsep, method)(grey_of(photo), dtype=np.float32)
    command("edges", "a.png", "-o", "e.png", "--method", method)
    shown = load("e.png")
    assert shown.dtype == np.uint8
    assert (shown[strength >= np.quantile(strength, 0.996)] == 255).all()
    order = np.argsort(strength, axis=None)
    assert (np.diff(shown.ravel()[order].astype(int)) >= 0).all()

    smooth = getattr(fastsep, method)(fastsep.gaussian(grey_of(photo), 1.5, dtype=np.float32))
    command("edges", "a.png", "-o", "e.png", "--method", method, "--sigma", 1.5, "--low", 0.02, "--high", 0.05)
    expected = fastsep.apply_hysteresis_threshold(smooth, 0.02, 0.05)
    assert np.array_equal(load("e.png"), 255 * expected.astype(np.uint8))
    assert 0 < expected.mean() < 1


def test_an_overlay_is_the_picture_with_green_edges(command, photo):
    save("a.png", photo)
    command("edges", "a.png", "-o", "o.png", "--overlay")
    edges, shown = fastsep.canny(grey_of(photo)), load("o.png")
    assert (shown[edges] == (0, 255, 0)).all()
    assert np.array_equal(shown[~edges], photo[~edges])
    command("edges", "a.png", "-o", "o.png", "--overlay", "--method", "sobel")
    assert load("o.png").shape == photo.shape
    # A grey picture of 16 bits becomes one of 8 bits in colour.
    save("deep.png", grey_of(photo).astype(np.uint16) * 257)
    command("edges", "deep.png", "-o", "o.png", "--overlay")
    shown = load("o.png")
    assert shown.dtype == np.uint8
    assert np.array_equal(shown[~edges], np.repeat(grey_of(photo)[~edges][:, None], 3, axis=1))


def test_blur_and_sharpen_keep_dtype_and_channels(command, photo):
    save("a.png", photo)
    assert command("blur", "a.png", "-o", "b.png", "--sigma", 2) == (0, "wrote b.png\n", "")
    assert np.array_equal(load("b.png"), fastsep.gaussian(photo, 2, channel_axis=-1, dtype=np.uint8))
    assert command("sharpen", "a.png", "-o", "s.png", "--radius", 2, "--amount", 1.5) == (0, "wrote s.png\n", "")
    assert np.array_equal(load("s.png"), fastsep.unsharp_mask(photo, 2, 1.5, channel_axis=2, dtype=np.uint8))
    save("g.png", grey_of(photo))
    command("blur", "g.png", "-o", "b.png")
    assert np.array_equal(load("b.png"), fastsep.gaussian(grey_of(photo), dtype=np.uint8))


# ---- what is read and written


@pytest.mark.slow
def test_grey_png_of_16_bits(command, rng):
    deep = save("a.png", rng.integers(0, 65536, (30, 20), dtype=np.uint16))
    command("blur", "a.png", "-o", "b.png", "--sigma", 0)
    assert load("b.png").dtype == np.uint16
    assert np.array_equal(load("b.png"), deep)
    command("blur", "a.png", "-o", "b.png")
    assert np.array_equal(load("b.png"), fastsep.gaussian(deep, dtype=np.uint16))
    command("sharpen", "a.png", "-o", "b.png")
    assert np.array_equal(load("b.png"), fastsep.unsharp_mask(deep, dtype=np.uint16))
    command("edges", "a.png", "-o", "e.png", "--low", 10000, "--high", 90000)
    assert np.array_equal(load("e.png") == 255, fastsep.canny(deep, 1, 10000, 90000))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_of_16_bits_in_colour_and_with_alpha(command, rng, channels, planar):
    deep = rng.integers(0, 65536, (30, 40, channels), dtype=np.uint16)
    written = np.moveaxis(deep, -1, 0) if planar == "separate" else deep
    tifffile.imwrite(
        "a.tif",
        written,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig=planar,
        extrasamples=["unassalpha"] if channels != 3 else None,
        iccprofile=PROFILE,
    )
    status, _, err = command("blur", "a.tif", "-o", "b.tif", "--sigma", 0)
    assert (status, err) == (0, "")
    assert np.array_equal(tifffile.imread("b.tif"), deep)
    with tifffile.TiffFile("b.tif") as file:
        assert file.pages.first.tags.valueof(34675) == PROFILE
    colours = 3 if channels > 2 else 1
    deep[..., colours:] = 40000  # alpha: with other values colours are weighted by it
    tifffile.imwrite("a.tif", deep, photometric="rgb" if channels > 2 else "minisblack", planarconfig="contig")
    command("blur", "a.tif", "-o", "b.tif", "--sigma", 2)
    expected = fastsep.gaussian(deep[..., :colours], 2, channel_axis=-1, dtype=np.uint16)
    assert np.array_equal(tifffile.imread("b.tif")[..., :colours], expected)
    assert np.array_equal(tifffile.imread("b.tif")[..., colours:], deep[..., colours:])  # alpha

    command("edges", "a.tif", "-o", "e.png", "--method", "sobel")
    grey = deep[..., 0] if colours == 1 else np.rint(deep[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint16)
    strength = fastsep.sobel(grey, dtype=np.float32)
    assert np.abs(load("e.png") - picture.visible(strength, None).astype(int)).max() <= 1


def test_grey_of_8_bits_is_pillows(rng):
    pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(picture.grey(pixels), grey_of(pixels))
    white = np.full((1, 1, 3), 65535, np.uint16)
    assert picture.grey(white).tolist() == [[65535]]
    assert picture.grey(np.full((1, 1, 3), 0.5, np.float32)).tolist() == [[0.5]]


def test_tiff_of_floats(command, rng):
    for shape in ((30, 20), (30, 20, 3)):
        image = (rng.random(shape) * 300 - 100).astype(np.float32)
        tifffile.imwrite("a.tif", image, photometric="rgb" if len(shape) == 3 else "minisblack")
        channel_axis = 2 if len(shape) == 3 else None
        command("blur", "a.tif", "-o", "b.tif")
        assert np.array_equal(tifffile.imread("b.tif"), fastsep.gaussian(image, channel_axis=channel_axis))
        command("sharpen", "a.tif", "-o", "b.tif")
        expected = fastsep.unsharp_mask(image, preserve_range=True, channel_axis=channel_axis)
        assert np.array_equal(tifffile.imread("b.tif"), expected)
        # Thresholds are parts of the whole range, whatever that is.
        command("edges", "a.tif", "-o", "e.png", "--method", "sobel", "--low", 0.2, "--high", 0.4)
        assert 0 < load("e.png").mean() < 255


@pytest.mark.parametrize("dtype", ["int32", "float16", "float64", *slow("int8", "int16", "uint32")])
def test_tiff_of_every_type_keeps_it(command, rng, dtype):
    values = (rng.random((30, 40)) * 200 - 100 * (dtype != "uint32")).astype(dtype)
    tifffile.imwrite("a.tif", values, photometric="minisblack")
    for arguments, expected in (
        (("blur", "--sigma", 0), values),
        (("blur",), fastsep.gaussian(values, preserve_range=True, dtype=dtype)),
        (("sharpen",), fastsep.unsharp_mask(values, preserve_range=values.dtype.kind == "f", dtype=dtype)),
    ):
        assert command(*arguments, "a.tif", "-o", "b.tif") == (0, "wrote b.tif\n", "")
        found = tifffile.imread("b.tif")
        assert found.dtype == dtype
        assert np.array_equal(found, expected)
    for method in ("canny", "sobel"):
        assert command("edges", "a.tif", "-o", "e.png", "--method", method, "--overlay") == (0, "wrote e.png\n", "")
    assert command("blur", "a.tif", "-o", "b.png")[2].endswith(f"it would not hold {dtype}; a .tif would\n")


def test_a_channel_of_infrared_is_filtered_and_kept(command, rng):
    values = rng.integers(0, 256, (30, 40, 4), dtype=np.uint8)
    tifffile.imwrite("a.tif", values, photometric="rgb", extrasamples=["unspecified"])
    assert command("blur", "a.tif", "-o", "b.tif", "--sigma", 2) == (0, "wrote b.tif\n", "")
    assert np.array_equal(tifffile.imread("b.tif"), fastsep.gaussian(values, 2, channel_axis=2, dtype=np.uint8))
    with tifffile.TiffFile("b.tif") as file:
        assert [int(kind) for kind in file.pages.first.extrasamples] == [0]
    command("edges", "a.tif", "-o", "e.png")
    assert np.array_equal(load("e.png") == 255, fastsep.canny(grey_of(values[..., :3])))
    assert command("blur", "a.tif", "-o", "b.jpg")[2].endswith(
        "would not hold channels beside the colours; a .tif would\n"
    )


def test_colours_that_are_not_seen_do_not_bleed(command, photo):
    seen = np.zeros(photo.shape[:2], np.uint8)
    seen[10:30, 20:40] = 255
    photo[seen > 0] = 200, 100, 50
    for suffix in ("png", "webp", "tif"):
        Image.fromarray(np.dstack([photo, seen])).save(f"a.{suffix}", lossless=True)
        for name in ("blur", "sharpen"):
            assert command(name, f"a.{suffix}", "-o", "b.png")[0] == 0
            assert (load("b.png")[seen > 0] == (200, 100, 50, 255)).all()


def test_pictures_whose_notes_cannot_be_read(command, rng):
    values = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    notes = PngInfo()
    notes.add_text("Comment", "x" * 3_000_000, zip=True)
    Image.fromarray(values).save("a.png", pnginfo=notes)
    assert command("blur", "a.png", "-o", "b.png", "--sigma", 0) == (0, "wrote b.png\n", "")
    assert np.array_equal(load("b.png"), values)


def test_tiff_whose_zero_is_white(command):
    for name, dtype in (("a.tif", np.uint8), ("b.tif", np.uint16)):
        tifffile.imwrite(name, np.array([[0, np.iinfo(dtype).max]], dtype), photometric="miniswhite")
        command("blur", name, "-o", "c.tif", "--sigma", 0)
        assert np.array_equal(tifffile.imread("c.tif"), np.array([[np.iinfo(dtype).max, 0]], dtype))


def test_jpeg(command, photo):
    save("a.jpg", photo, quality=95, icc_profile=PROFILE)
    command("blur", "a.jpg", "-o", "b.JPEG")
    smooth = fastsep.gaussian(load("a.jpg"), channel_axis=2, dtype=np.uint8)
    assert np.abs(load("b.JPEG").astype(int) - smooth).mean() < 4
    with Image.open("b.JPEG") as file:
        assert file.format == "JPEG"
        assert file.info["icc_profile"] == PROFILE
    with Image.fromarray(photo).convert("CMYK") as cmyk:
        cmyk.save("cmyk.jpg", icc_profile=PROFILE)
    command("blur", "cmyk.jpg", "-o", "b.png")
    with Image.open("b.png") as file:
        assert file.mode == "RGB"
        assert "icc_profile" not in file.info  # it was for CMYK


def test_transparency_is_kept_and_drawn_edges_have_none(command, photo, rng):
    alpha = rng.integers(0, 256, photo.shape[:2], dtype=np.uint8)
    save("a.png", np.dstack([photo, alpha]))
    command("blur", "a.png", "-o", "b.png")
    assert np.array_equal(load("b.png")[..., 3], alpha)
    command("edges", "a.png", "-o", "e.png")
    assert np.array_equal(load("e.png") == 255, fastsep.canny(grey_of(photo)))
    grey = grey_of(photo)
    save("la.png", np.dstack([grey, alpha]))
    command("sharpen", "la.png", "-o", "b.png")
    assert load("b.png").shape == (*grey.shape, 2)
    assert np.array_equal(load("b.png")[..., 1], alpha)
    with Image.fromarray(np.dstack([photo, alpha])).quantize() as palette:
        palette.save("p.png")
    command("blur", "p.png", "-o", "b.png")
    assert load("b.png").shape == (*photo.shape[:2], 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_the_camera_was_held(command, photo, orientation):
    for name in ("a.jpg", "a.png"):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        save(name, photo, exif=exif)
        command("blur", name, "-o", "b.png", "--sigma", 0)
        upright = picture._turned(load(name), orientation)
        assert np.array_equal(load("b.png"), upright)
    deep = photo.astype(np.uint16) * 257
    tifffile.imwrite("a.tif", deep, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    command("blur", "a.tif", "-o", "b.tif", "--sigma", 0)
    assert np.array_equal(tifffile.imread("b.tif"), upright.astype(np.uint16) * 257)


def test_png_of_16_bits_in_colour_is_read_with_8(command, rng):
    deep = rng.integers(0, 65536, (4, 5, 3), dtype=np.uint16)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)
    with open("a.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)))
        file.write(chunk(b"IEND", b""))
    assert command("blur", "a.png", "-o", "b.png", "--sigma", 0)[0] == 0
    assert np.array_equal(load("b.png"), (deep >> 8).astype(np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (1, 1, 3)])
def test_pictures_of_a_few_pixels(command, rng, shape):
    pixels = save("a.png", rng.integers(0, 256, shape, dtype=np.uint8))
    for method in ("canny", "sobel", "farid"):
        assert command("edges", "a.png", "-o", "e.png", "--method", method)[0] == 0
        assert load("e.png").shape == pixels.shape[:2]
    assert command("blur", "a.png", "-o", "b.png", "--sigma", 3)[0] == 0
    assert load("b.png").shape == shape


@pytest.mark.parametrize("name", ["b.webp", "b.gif", "b.jpg", "b.bmp"])
def test_what_holds_8_bits_only_does_not_get_16(command, rng, name):
    save("a.png", rng.integers(0, 65536, (9, 9), dtype=np.uint16))
    status, out, err = command("blur", "a.png", "-o", name)
    assert (status, out) == (1, "")
    assert err == f"fastsep blur: cannot write {name}: it would not hold uint16; a .tif would\n"


# ---- many


def test_a_kind_that_cannot_be_written_becomes_png(command, photo, folder):
    with open("a.xpm", "w") as file:
        file.write('/* XPM */\nstatic char *a[] = {\n"2 1 2 1",\n"a c #FF0000",\n"b c #0000FF",\n"ab",\n};\n')
    save("b.png", photo)
    assert command("blur", "a.xpm", "b.png", "-o", "out", "--sigma", 0)[:2] == (0, "wrote 2 pictures to out\n")
    assert names(folder / "out") == ["a.png", "b.png"]
    assert load("out/a.png").tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_progress_is_shown_on_a_terminal_only(command, photo, monkeypatch):
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)  # no thread that outlives the test
    save("a.png", photo)
    save("b.png", photo)
    with open("c.png", "wb") as file:
        file.write(b"no picture")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    status, out, err = command("edges", "a.png", "c.png", "b.png", "-o", "out")
    assert (status, out) == (1, "wrote 2 pictures to out; 1 left out\n")
    assert "3/3" in err
    assert "fastsep edges: cannot read the image c.png: it is not a picture, or a damaged one\n" in err
    assert command("edges", "a.png", "-o", "out") == (0, "wrote out/a.png\n", "")


# ---- what goes wrong


def damaged(photo):
    """Files that cannot be read, by name."""
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "PNG")
    cut = stream.getvalue()[: len(stream.getvalue()) // 2]
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "JPEG")
    jpeg = stream.getvalue()[:-200]
    stream = io.BytesIO()
    tifffile.imwrite(stream, photo.astype(np.uint16), photometric="rgb", compression="zlib")
    tiff = bytearray(stream.getvalue())
    tiff[-200:] = bytes(200)
    return {
        "half.png": cut,
        "cut.jpg": jpeg,
        "rotten.tif": bytes(tiff),
        "short.tif": bytes(tiff[:60]),
        "none.tif": b"II*\0",
        "text.png": b"no picture",
        "empty.jpg": b"",
    }


def test_files_that_cannot_be_read_are_left_out(command, photo, folder):
    (folder / "in").mkdir()
    for name, data in damaged(photo).items():
        (folder / "in" / name).write_bytes(data)
    save("in/good.png", photo)
    status, out, err = command("edges", "in", "nowhere.png", "-o", "out")
    assert (status, out) == (1, "wrote out/good.png; 8 left out\n")
    lines = err.splitlines()
    assert len(lines) == 8
    assert all(line.startswith("fastsep edges: cannot read the image ") for line in lines)
    assert lines[-1] == "fastsep edges: cannot read the image nowhere.png: No such file or directory"
    assert names(folder / "out") == ["good.png"]


def test_one_file_that_cannot_be_read_gets_one_line_and_code_1(command, folder):
    (folder / "a.png").write_bytes(b"")
    status, out, err = command("edges", "a.png", "-o", "e.png")
    assert (status, out) == (1, "")
    assert err == "fastsep edges: cannot read the image a.png: it is not a picture, or a damaged one\n"
    assert names(folder) == ["a.png"]
    status, out, err = command("edges", "a.png", "nowhere.png", "-o", "out")
    assert (status, out) == (1, "wrote 0 pictures to out; 2 left out\n")
    assert names(folder) == ["a.png"]  # the folder that was made for nothing is gone


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_permission(command, photo, folder):
    save("a.png", photo)
    os.chmod("a.png", 0)
    assert command("edges", "a.png", "-o", "e.png")[2].endswith("a.png: Permission denied\n")
    (folder / "in").mkdir(mode=0)
    assert command("edges", "in", "-o", "out")[2] == "fastsep edges: cannot read the folder in: Permission denied\n"
    os.chmod("in", 0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(command):
    os.mkfifo("a.png")
    assert command("edges", "a.png", "-o", "e.png")[2].endswith("cannot read the image a.png: it is not a file\n")


def test_thresholds_that_do_not_fit_one_image(command, photo):
    save("a.png", photo)
    status, out, err = command("edges", "a.png", "-o", "e.png", "--low", 200)  # above the default of `high`
    assert (status, out) == (1, "")
    assert err.startswith("fastsep edges: a.png: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_result_is_written_whole_or_not_at_all(command, rng, monkeypatch, folder, suffix):
    deep = rng.integers(0, 65536, (9, 9), dtype=np.uint16)
    tifffile.imwrite("a.tif", deep)
    (folder / f"b.{suffix}").write_bytes(b"what was there before")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        status, out, err = command("blur", "a.tif", "-o", f"b.{suffix}")
    assert (status, out) == (1, "")
    assert err == f"fastsep blur: cannot write b.{suffix}: No space left on device\n"
    assert names(folder) == ["a.tif", f"b.{suffix}"]
    assert (folder / f"b.{suffix}").read_bytes() == b"what was there before"
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        assert command("blur", "a.tif", "nowhere.png", "-o", "out")[:2] == (1, "wrote 0 pictures to out; 2 left out\n")
    assert not (folder / "out").exists()


def test_an_interrupt_leaves_nothing_behind(command, photo, monkeypatch, folder):
    save("a.png", photo)
    save("b.png", photo)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    assert command("edges", "a.png", "b.png", "-o", "out") == (130, "", "fastsep edges: interrupted\n")
    assert names(folder) == ["a.png", "b.png"]


@pytest.fixture
def several(photo, folder):
    """Some pictures, a folder without any, and a file that is no folder."""
    for name in ("a.png", "b.jpg"):
        save(name, photo)
    for name in ("one/c.png", "two/c.jpg", "same/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        save(name, photo)
    (folder / "empty").mkdir()
    (folder / "same" / "c.png").mkdir()
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("edges", "one", "two", "-o", "out"), "one/c.png and two/c.jpg would both be written to out/c.png"),
        (("blur", "a.png", "a.png", "-o", "out"), "a.png and a.png would both be written to out/a.png"),
        (("edges", "a.png", "-o", "a.png"), "cannot write a.png: it is an image to be read"),
        (("edges", "a.png", "-o", "."), "cannot write a.png: it is an image to be read"),
        (("blur", "one", "-o", "one"), "cannot write one/c.png: it is an image to be read"),
        (("edges", "one/../a.png", "-o", "a.png"), "it is an image to be read"),
        (("edges", "b.jpg", "a.png", "one", "-o", "one"), "cannot write one/c.png: it is an image to be read"),
        (("edges", "one/c.png", "-o", "same"), "cannot write same/c.png: it exists and is not a file"),
        (("edges", "a.png", "-o", "out"), "cannot write out: its name must end as a picture's, such as .png"),
        (("edges", "a.png", "-o", "out/e.png"), "cannot write out/e.png: there is no folder out"),
        (("edges", "one", "-o", "b.jpg"), "cannot write to b.jpg: for many images it must be a folder"),
        (("edges", "a.png", "b.jpg", "-o", "e.png/out"), "cannot make the folder e.png/out: No such file"),
        (("edges", "empty", "-o", "out"), "there are no pictures in the folder empty"),
        (("edges", "a.png", "-o", "e.png", "--sigma", "-1"), "--sigma must be finite and not negative; got -1"),
        (("edges", "a.png", "-o", "e.png", "--low", "nan"), "--low must be finite and not negative; got nan"),
        (("edges", "a.png", "-o", "e.png", "--low", "9", "--high", "8"), "--low must not be above --high; got 9 and 8"),
        (("edges", "a.png", "-o", "e.png", "--method", "sobel", "--low", "0.1"), "needs both --low and --high"),
        (
            ("edges", "a.png", "-o", "e.png", "--method", "farid", "--low", "20", "--high", "60"),
            "--low and --high must be from 0 to 1 with --method farid; got 60",
        ),
        (("blur", "a.png", "-o", "e.png", "--sigma", "inf"), "--sigma must be finite and not negative; got inf"),
        (("sharpen", "a.png", "-o", "e.png", "--radius", "-2"), "--radius must be finite and not negative; got -2"),
        (("sharpen", "a.png", "-o", "e.png", "--amount", "nan"), "--amount must be finite; got nan"),
    ],
)
def test_bad_commands_get_one_line_and_code_2(command, several, monkeypatch, arguments, message):
    before = {path: path.is_file() and path.read_bytes() for path in several.rglob("*")}
    monkeypatch.setattr(picture, "read", None)  # refused before any work
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"fastsep {arguments[0]}: ")
    assert message in err
    assert err.count("\n") == 1
    assert {path: path.is_file() and path.read_bytes() for path in several.rglob("*")} == before


def test_an_input_under_another_name_is_not_overwritten(command, several):
    os.link("a.png", "e.png")
    assert command("edges", "a.png", "-o", "e.png")[2].endswith("cannot write e.png: it is an image to be read\n")
    os.symlink("a.png", "f.png")
    assert command("blur", "a.png", "-o", "f.png")[2].endswith("cannot write f.png: it is an image to be read\n")


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_an_output_that_is_a_link_stays_one(command, several):
    (several / "far").mkdir()
    for name in ("out.png", "two/c.png"):
        os.symlink(several / "far" / "real.png", name)
    assert command("blur", "a.png", "-o", "out.png", "--sigma", 0) == (0, "wrote out.png\n", "")
    assert os.path.islink("out.png")
    assert np.array_equal(load("far/real.png"), load("a.png"))
    assert command("edges", "one", "-o", "two") == (0, "wrote two/c.png\n", "")
    assert os.path.islink("two/c.png")
    assert load("far/real.png").ndim == 2
    os.symlink(several / "nowhere" / "real.png", "lost.png")
    message = f"cannot write lost.png: there is no folder {several / 'nowhere'}\n"
    assert command("blur", "a.png", "-o", "lost.png") == (2, "", f"fastsep blur: {message}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_output_is_refused(command, several):
    save("e.png", np.zeros((2, 2), np.uint8))
    os.chmod("e.png", 0o444)
    assert command("edges", "a.png", "-o", "e.png")[::2] == (
        2,
        "fastsep edges: cannot write e.png: it is write-protected\n",
    )


def test_without_the_extra_one_line_says_which(command, photo, monkeypatch):
    save("a.png", photo)
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "PIL" else found(name))
    status, out, err = command("edges", "a.png", "-o", "e.png")
    assert (status, out) == (2, "")
    assert err == 'fastsep edges: Pillow is not installed; it is in the extra "demo": pip install ".[demo]"\n'


def test_other_commands_do_not_import_what_reads_pictures():
    code = (
        "import sys; from fastsep.__main__ import main; main(['info']);"
        "print(*sorted({'PIL', 'tqdm', 'tifffile', 'skimage'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []
