"""`fastsep demo`."""

import re

import numpy as np
import pytest
from picture_files import load, names, save

import fastsep
from fastsep._cli import demo

pytest.importorskip("PIL")
pytest.importorskip("skimage")

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(demo, "LARGE", (100, 130))
    monkeypatch.setattr(demo, "SECONDS", 0.0)


def test_it_compares_both_sizes_and_writes_its_picture(command, photo, folder):
    save("a.png", photo)
    status, out, err = command("demo", "--image", "a.png", "-o", "sheet.png")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "a.png: 40 x 56 x 3, uint8, and tiled to 100 x 130; edges of its grey version"
    assert lines[1] == "compiling, or loading what an earlier run has compiled:"
    for number, one in enumerate(demo.DEMOS, 1):
        assert re.fullmatch(rf"\[{number}/5\] {re.escape(one.name)} \.\.\. \d+\.\d\d s", lines[1 + number])
    rows = [line for line in lines if line.endswith("x") and " ms " in line]
    assert [row.split("  ")[0] for row in rows] == 2 * [one.name for one in demo.DEMOS]
    assert sum(" 40 x 56 " in row for row in rows) == sum(" 100 x 130 " in row for row in rows) == 5
    assert re.search(r"\ncanny\(sigma=2\) +100 x 130 +0\.0e\+00 ", out)
    assert lines[-2] == "wrote sheet.png"
    assert names(folder) == ["a.png", "sheet.png"]
    assert load("sheet.png").shape[0] > 500


def test_its_last_line_is_about_the_larger_size(command, photo):
    save("a.png", photo)
    out = command("demo", "--image", "a.png", "-o", "sheet.png")[1]
    assert re.search(r"\nAt 100 x 130 on .* \(1 thread\): geometric mean of 5 filters, \S+ to \S+\n$", out)


@pytest.mark.parametrize(
    ("ratios", "mean", "ends"),
    [((2.0, 8.0), "4", "2 to 8"), ((0.5, 2.0, 27.0), "3", "0.5 to 27"), ((12.34,), "12.3", "12.3 to 12.3")],
)
def test_its_last_line_says_what_was_measured(ratios, mean, ends, capsys):
    demo._print_sum([demo.Outcome(demo.DEMOS[0], "7 x 9", 0.0, 0.0, ratio * 1e-3, 1e-3) for ratio in ratios])
    line = capsys.readouterr().out
    threads = fastsep.get_num_threads()
    cpu = fastsep.show_config()["cpu"].rpartition(" (")[0]
    assert line.startswith(f"At 7 x 9 on {cpu}, fastsep ({threads} thread")
    assert f" is {mean} times as fast as scikit-image " in line
    assert line.endswith(f" (1 thread): geometric mean of {len(ratios)} filters, {ends}\n")


def test_rows_are_printed_when_they_are_ready(photo, capsys):
    image = demo.Photo(photo, photo[..., 0])
    rows = demo._outcomes([image])
    for number, _ in enumerate(rows, 1):
        lines = capsys.readouterr().out.splitlines()
        assert sum(line.endswith("x") for line in lines) == 1, number


def test_a_picture_as_large_as_4k_is_not_tiled(command, rng):
    save("a.png", rng.integers(0, 256, (130, 100), dtype=np.uint8))
    status, out, _ = command("demo", "--image", "a.png", "-o", "sheet.png")
    assert status == 0
    assert out.startswith("a.png: 130 x 100, uint8\n")
    assert "At 130 x 100 on " in out


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3), (1, 1), (150, 2)])
def test_tiles_are_mirrored_so_that_they_have_no_seams(shape, rng):
    pixels = rng.random(shape)
    (large,) = demo._enlarged(demo.Photo(pixels, pixels if len(shape) == 2 else pixels[..., 0]))
    rows, columns = (
        np.resize([*range(size), *reversed(range(size))], length)
        for size, length in zip(shape[:2], demo.LARGE, strict=True)
    )
    np.testing.assert_array_equal(large.colour, pixels[rows][:, columns])


def test_a_wrong_result_is_said_and_nothing_written(command, photo, folder, monkeypatch):
    save("a.png", photo)
    right = fastsep.scharr
    monkeypatch.setattr(fastsep, "scharr", lambda image: right(image) + 1e-9, raising=False)
    status, _, err = command("demo", "--image", "a.png", "-o", "sheet.png")
    assert status == 1
    assert err == ("fastsep demo: scharr differs from scikit-image by 1.0e-09 (tolerated: 1e-12); no picture written\n")
    assert names(folder) == ["a.png"]


@pytest.mark.slow  # kernels of their own
def test_pictures_of_16_bits(command, photo):
    save("a.png", photo[..., 0].astype(np.uint16) * 257)
    assert command("demo", "--image", "a.png", "-o", "sheet.png")[0] == 0


def test_the_sheet_is_not_written_over_the_picture(command, photo):
    save("a.png", photo)
    assert command("demo", "--image", "a.png", "-o", "a.png")[0] == 2
