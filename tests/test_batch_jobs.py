"""How `edges`, `blur` and `sharpen` work on several pictures, and what they say meanwhile."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from picture_files import grey_of, load, names, save

import fastsep
from fastsep import _pictures

Image = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def pictures(photo, folder):
    """Eight pictures, the third damaged."""
    (folder / "in").mkdir()
    for number in range(8):
        save(f"in/{number}.png", np.roll(photo, number, axis=0))
    (folder / "in" / "2.png").write_bytes(b"no picture")
    return [n for n in range(8) if n != 2]


# ---- several at a time


@pytest.mark.parametrize("number", [1, 2, 5, 100])
@pytest.mark.parametrize("arguments", [("edges", "--overlay"), ("edges", "--method", "sobel"), ("blur",), ("sharpen",)])
def test_any_number_of_jobs_gives_the_same(command, pictures, photo, number, arguments):
    status, out, err = command(*arguments, "in", "-o", "out", "--jobs", number)
    assert (status, out) == (1, "wrote 7 pictures to out; 1 left out\n")
    assert err == f"fastsep {arguments[0]}: cannot read the image in/2.png: it is not a picture, or a damaged one\n"
    for picture in pictures:
        command(*arguments, f"in/{picture}.png", "-o", "one.png")
        assert np.array_equal(load("one.png"), load(f"out/{picture}.png"))


@pytest.mark.parametrize(("number", "together", "threads"), [(3, 3, 2), (8, 8, 1), (None, 6, 1), (1, 1, None)])
def test_as_many_pictures_as_cores_by_default_and_each_filter_takes_its_share(
    command, pictures, monkeypatch, number, together, threads
):
    monkeypatch.setattr(fastsep, "get_num_threads", lambda: 6, raising=False)
    gathered = threading.Barrier(together)
    asked, read = [], _pictures.read

    def meet(path):
        if path.name in {f"{n}.png" for n in range(together)}:
            gathered.wait(60)  # breaks, and the command with it, unless so many are at work
        return read(path)

    def blur(*arguments, workers, gaussian=fastsep.gaussian, **options):
        asked.append(workers)
        return gaussian(*arguments, workers=1, **options)

    monkeypatch.setattr(_pictures, "read", meet)
    monkeypatch.setattr(fastsep, "gaussian", blur, raising=False)
    assert command("blur", "in", "-o", "out", *(() if number is None else ("-j", number)))[0] == 1
    assert asked == [threads] * 7


def test_one_picture_is_filtered_on_all_cores(command, photo, monkeypatch):
    save("a.png", photo)
    asked = []

    def canny(image, *arguments, workers, **options):
        asked.append(workers)
        return np.zeros(image.shape, bool)

    monkeypatch.setattr(fastsep, "canny", canny, raising=False)
    assert command("edges", "a.png", "-o", "e.png")[0] == 0
    assert asked == [None]


def test_messages_come_in_the_order_of_names(command, photo, folder, monkeypatch):
    (folder / "in").mkdir()
    for number in range(6):
        (folder / "in" / f"{number}.png").write_bytes(b"no picture")
    read = _pictures.read

    def slow_at_first(path):
        time.sleep(0.05 * (path.name == "0.png"))
        return read(path)

    monkeypatch.setattr(_pictures, "read", slow_at_first)
    err = command("edges", "in", "-o", "out", "--jobs", 3)[2]
    assert [line.split()[6] for line in err.splitlines()] == [f"in/{number}.png:" for number in range(6)]


def test_decoders_are_set_back_when_all_is_done(command, pictures):
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters), warnings.showwarning
    command("blur", "in", "-o", "out", "--jobs", 4)
    assert before == (Image.MAX_IMAGE_PIXELS, list(warnings.filters), warnings.showwarning)
    assert Image.MAX_IMAGE_PIXELS != _pictures.LARGEST


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("sent", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_lets_what_is_at_work_be_finished_and_no_more_begin(sent, status, word, folder, rng):
    (folder / "in").mkdir()
    for number in range(400):
        save(f"in/{number:03}.png", rng.integers(0, 256, (64, 64), dtype=np.uint8))
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"  # also where it is ignored
        "from fastsep.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "blur", "in", "-o", "out", "--jobs", "3", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()  # the first picture is done
        process.send_signal(sent)
        rest, err = process.communicate()
    assert (process.returncode, err) == (status, f"fastsep blur: {word}\n")
    written = names(folder / "out")
    assert not [name for name in written if name.startswith(".")]
    assert 1 + rest.count("\n") <= len(written) < 400
    for name in written:
        load(folder / "out" / name)


# ---- pages


def pages_of(kind, name, pixels):
    if kind == "tifffile":
        tifffile.imwrite(name, np.stack(pixels).astype(np.uint16), photometric="minisblack")
    else:
        first, *rest = map(Image.fromarray, pixels)
        first.save(name, kind, save_all=True, append_images=rest)


@pytest.mark.parametrize(
    ("kind", "name"), [("TIFF", "a.tif"), ("tifffile", "a.tif"), ("GIF", "a.gif"), ("PNG", "a.png"), ("WEBP", "a.webp")]
)
@pytest.mark.parametrize("number", [1, 2, 5])
def test_pages_that_are_left_out_are_said(command, photo, folder, kind, name, number):
    pixels = [np.roll(grey_of(photo), 5 * n, axis=1) for n in range(number)]
    pages_of(kind, name, pixels)
    status, out, err = command("edges", name, "-o", "e.png")
    assert (status, out) == (0, "wrote e.png\n")
    assert err == f"fastsep edges: {name}: only the first of its {number} pages is read\n" * (number > 1)


def test_what_a_telephone_keeps_beside_its_picture_is_no_page(command, photo):
    pages_of("MPO", "a.jpg", [photo, photo[::2, ::2]])
    assert command("edges", "a.jpg", "-o", "e.png") == (0, "wrote e.png\n", "")


# ---- standard input and output


def bytes_of(pixels, kind):
    stream = io.BytesIO()
    if kind == "tifffile":
        tifffile.imwrite(stream, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    else:
        Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def piped(data, *words):
    return subprocess.run([sys.executable, "-m", "fastsep", *words], input=data, capture_output=True)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "tifffile"])
def test_a_picture_goes_from_standard_input_to_standard_output(photo, kind):
    done = piped(bytes_of(photo, kind), "blur", "-", "-o", "-", "--sigma", "0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"\x89PNG")
    assert np.array_equal(np.array(Image.open(io.BytesIO(done.stdout))), photo)


@pytest.mark.parametrize(("dtype", "shape"), [(np.uint16, (7, 9, 3)), (np.float32, (7, 9)), (np.float32, (7, 9, 3))])
def test_standard_output_gets_tiff_where_png_is_too_small(rng, dtype, shape):
    pixels = (rng.random(shape) * 60_000).astype(dtype)
    done = piped(bytes_of(pixels, "tifffile"), "blur", "-", "-o", "-", "--sigma", "0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert np.array_equal(tifffile.imread(io.BytesIO(done.stdout)), pixels)


def test_standard_input_to_a_file_and_a_file_to_standard_output(photo, folder):
    done = piped(bytes_of(photo, "PNG"), "blur", "-", "-o", "b.jpg")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote b.jpg{os.linesep}".encode(), b"")
    with Image.open("b.jpg") as file:
        assert file.format == "JPEG"
    save("a.png", photo)
    done = piped(b"", "edges", "a.png", "-o", "-")
    assert np.array_equal(np.array(Image.open(io.BytesIO(done.stdout))) == 255, fastsep.canny(grey_of(photo)))
    done = piped(b"no picture", "edges", "-", "-o", "-")
    message = b"fastsep edges: cannot read the image standard input: it is not a picture, or a damaged one"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, b"", message)
    assert names(folder) == ["a.png", "b.jpg"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-", "a.png", "-o", "out"), "standard input must be the only image"),
        (("-", "-o", "out/"), "standard input must be the only image, and OUT a file"),
        (("a.png", "a.png", "-o", "-"), "standard output takes one picture"),
        (("a.png", "-o", "-", "--json"), "a picture cannot go to standard output: --json writes there"),
        (("a.png", "-o", "b.png", "--jobs", "0"), "--jobs must be at least 1; got 0"),
        (("a.png", "-o", "b.jpg", "--quality", "0"), "--quality must be from 1 to 100; got 0"),
        (("a.png", "-o", "b.jpg", "--quality", "101"), "--quality must be from 1 to 100; got 101"),
        (("a.png", "-o", "b.png", "--quality", "50"), "--quality is for JPEG, WebP and AVIF files, and none would be"),
    ],
)
def test_what_does_not_go_together_is_refused(command, photo, folder, words, message):
    save("a.png", photo)
    status, out, err = command("blur", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert names(folder) == ["a.png"]


def test_a_picture_is_not_written_to_a_terminal(command, photo, monkeypatch):
    save("a.png", photo)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert command("blur", "a.png", "-o", "-")[::2] == (
        2,
        "fastsep blur: a picture cannot go to standard output: it is a terminal\n",
    )


# ---- quality


@pytest.mark.parametrize("name", ["b.jpg", "b.webp"])
def test_quality_is_that_of_the_encoder(command, photo, name):
    save("a.png", photo)
    sizes = []
    for quality in (5, 50, 100):
        assert command("blur", "a.png", "-o", name, "--sigma", 0, "--quality", quality)[0] == 0
        sizes.append(os.path.getsize(name))
        save(f"expected-{name}", photo, quality=quality)
        assert np.array_equal(load(name), load(f"expected-{name}"))
    assert sizes == sorted(set(sizes))


def test_quality_leaves_other_kinds_of_a_folder_as_they_are(command, photo, folder):
    (folder / "in").mkdir()
    save("in/a.png", photo)
    save("in/b.jpg", photo)
    assert command("blur", "in", "-o", "out", "--sigma", 0, "--quality", 30)[0] == 0
    assert np.array_equal(load("out/a.png"), photo)


# ---- what is said


def test_quiet_says_only_what_goes_wrong(command, pictures):
    assert command("blur", "in/0.png", "-o", "out/", "--quiet") == (0, "", "")
    status, out, err = command("blur", "in", "-o", "out", "-q")
    assert (status, out) == (1, "")
    assert err.count("\n") == 1


def test_json_says_what_became_of_every_picture(command, pictures, photo, folder):
    pages_of("GIF", "in/9.gif", [grey_of(photo), grey_of(photo)[::-1]])
    (folder / "out").mkdir()
    (folder / "out" / "1.png").write_bytes(b"")
    status, out, _ = command("blur", "in", "-o", "out", "--json", "--skip-existing")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [row["image"] for row in rows] == [*(f"in/{n}.png" for n in range(8)), "in/9.gif"]
    assert [row["output"] for row in rows] == [*(f"out/{n}.png" for n in range(8)), "out/9.gif"]
    assert [row["status"] for row in rows] == ["written", "existed", "failed", *["written"] * 6]
    assert [row["pages"] for row in rows] == [1] * 8 + [2]
    assert rows[2]["message"] == "cannot read the image in/2.png: it is not a picture, or a damaged one"
    assert all(row["message"] == "" for row in rows if row["status"] != "failed")
    assert all(row["seconds"] >= 0 for row in rows)


def test_verbose_shows_the_log_and_then_no_more(command, photo):
    save("a.png", photo)
    log = logging.getLogger("fastsep")
    before = log.level, log.propagate, list(log.handlers)
    status, out, err = command("blur", "a.png", "-o", "b.png", "--verbose")
    assert (status, out) == (0, "wrote b.png\n")
    assert err.splitlines()[-1].startswith("fastsep: a.png: written in ")
    assert (log.level, log.propagate, log.handlers) == before
    assert command("blur", "a.png", "-o", "b.png") == (0, "wrote b.png\n", "")
    with pytest.raises(SystemExit) as stopped:
        command("blur", "a.png", "-o", "b.png", "-v", "-q")
    assert stopped.value.code == 2
