"""TIFF files that would take more memory than a command may have: read, filtered and written in parts."""

import pathlib

import numpy as np
import pytest

from fastsep._cli import large
from fastsep._cli.pictures import parts, picture
from fastsep._engine import ram

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("PIL")

LAYOUTS = {
    "mapped": {},
    "swapped": {"byteorder": ">"},
    "strips": {"compression": "zlib", "rowsperstrip": 13},
    "tiles": {"compression": "zlib", "tile": (32, 48)},
}
RNG = np.random.default_rng(4)
GREY = RNG.integers(0, 4000, (301, 411), "u2")
COLOURS = RNG.integers(0, 256, (150, 211, 3), "u1")
FLOATS = RNG.standard_normal((301, 211), "f4")
KINDS = {"grey": GREY, "colours": COLOURS, "floats": FLOATS}


CALLS = [
    ("blur", "--sigma=2"),
    ("sharpen",),
    ("edges",),
    ("edges", "--sigma=2", "--low=0.1", "--high=100"),
    ("edges", "--method=sobel", "--sigma=1"),
    ("edges", "--method=scharr", "--low=0.01", "--high=0.1"),
]


def save(path, pixels, **options):
    tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack", **options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("pixels", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_of_a_file_are_read(layout, pixels, folder):
    save("a.tif", pixels, **LAYOUTS[layout])
    with parts.opened(pathlib.Path("a.tif")) as found:
        assert tuple(found.pixels.shape) == pixels.shape
        assert isinstance(found.pixels, np.memmap) == (layout in ("mapped", "swapped"))
        for rows, columns in (((0, 150), (0, 211)), ((63, 65), (47, 97)), ((149, 150), (210, 211))):
            place = slice(*rows), slice(*columns)
            np.testing.assert_array_equal(np.asarray(found.pixels[place]), pixels[place])


@pytest.mark.parametrize(
    ("pixels", "call"),
    [
        # Each command has kernels of its own for pixels of 16 bits.
        pytest.param(
            pixels,
            call,
            id=f"{kind}-{' '.join(call)}",
            marks=[pytest.mark.slow] * (kind == "grey" and call[0] != "blur"),
        )
        for kind, pixels in KINDS.items()
        for call in CALLS
    ],
)
@pytest.mark.parametrize("layout", ["mapped", "tiles"])
def test_results_are_those_of_the_whole_picture(layout, pixels, call, folder, command, monkeypatch):
    name, *options = call
    save("a.tif", pixels, iccprofile=b"colours", **LAYOUTS[layout])
    assert command(name, "a.tif", "-o", "whole.tif", *options)[0] == 0
    monkeypatch.setattr(picture, "read", None)
    assert command(name, "a.tif", "-o", "parts.tif", *options, "--memory", "300k") == (0, "wrote parts.tif\n", "")
    whole, made = (tifffile.imread(path) for path in ("whole.tif", "parts.tif"))
    assert made.dtype == whole.dtype
    np.testing.assert_array_equal(made, whole)
    with tifffile.TiffFile("parts.tif") as file:
        assert file.pages.first.tags.valueof(34675) == (b"colours" if name != "edges" else None)
    assert sorted(path.name for path in folder.iterdir()) == ["a.tif", "parts.tif", "whole.tif"]


@pytest.mark.parametrize("pixels", [GREY, FLOATS], ids=["grey", "floats"])
def test_thresholds_follow_the_same_pixels(pixels, folder, command, monkeypatch):
    monkeypatch.setattr(large, "SAMPLE", 3000)
    save("a.tif", pixels, **LAYOUTS["tiles"])
    for output, options in (("whole.tif", ()), ("parts.tif", ("--memory", "400k"))):
        assert command("edges", "a.tif", "-o", output, *options)[0] == 0
    np.testing.assert_array_equal(tifffile.imread("parts.tif"), tifffile.imread("whole.tif"))


def test_a_file_takes_its_place_when_it_is_whole(folder, command, monkeypatch):
    save("a.tif", GREY)
    save("b.tif", COLOURS)

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(large.fastsep, "filter_blocks", fail)
    status, out, err = command("blur", "a.tif", "-o", "b.tif", "--memory", "300k")
    assert (status, out) == (1, "")
    assert err == "fastsep blur: cannot write b.tif: disk full\n"
    np.testing.assert_array_equal(tifffile.imread("b.tif"), COLOURS)
    assert sorted(path.name for path in folder.iterdir()) == ["a.tif", "b.tif"]


@pytest.mark.parametrize(
    ("pixels", "words", "reason"),
    [
        (GREY, ("edges", "--overlay", "-o", "b.tif"), "--overlay draws over all of it"),
        (GREY, ("blur", "-o", "b.png"), "the result is no .tif"),
        (
            np.dstack([COLOURS, COLOURS[..., 0]]),
            ("blur", "-o", "b.tif"),
            "it is not grey or RGB in whole bytes, upright",
        ),
    ],
)
def test_what_cannot_be_done_in_parts_is_refused_where_the_budget_was_asked_for(pixels, words, reason, folder, command):
    options = {"extrasamples": ["unassalpha"]} if pixels.shape[2:] == (4,) else {}
    save("a.tif", pixels, **options)
    name, *others = words
    status, _, err = command(name, "a.tif", *others, "--memory", "100k")
    assert status == 1
    assert err.startswith(f"fastsep {name}: a.tif: about ")
    assert reason in err
    assert err.count("\n") == 1
    assert command(name, "a.tif", *others)[0] == 0


def test_a_damaged_file_gets_one_line(folder, command):
    save("a.tif", GREY, **LAYOUTS["strips"])
    data = bytearray(pathlib.Path("a.tif").read_bytes())
    with tifffile.TiffFile("a.tif") as file:
        start = file.pages.first.dataoffsets[3]
    data[start : start + 40] = b"?" * 40
    pathlib.Path("a.tif").write_bytes(data)
    status, _, err = command("blur", "a.tif", "-o", "b.tif", "--memory", "300k")
    assert status == 1
    assert err.startswith("fastsep blur: a.tif: ")
    assert err.count("\n") == 1
    assert not pathlib.Path("b.tif").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("2G", 2 << 30), ("1.5m", 3 << 19), ("10KiB", 10240), ("3GB", 3 << 30)]
)
def test_sizes_have_units(text, size):
    assert large.memory(text) == size


@pytest.mark.parametrize("text", ["", "0", "G", "-1G", "2P", "much", "nan"])
def test_other_words_are_no_sizes(text, capsys, folder, command):
    with pytest.raises(SystemExit):
        command("blur", "a.tif", "-o", "b.tif", f"--memory={text}")
    assert f"argument --memory: invalid memory value: {text!r}" in capsys.readouterr().err


def test_by_default_pictures_take_half_of_the_memory(folder, command, monkeypatch):
    save("a.tif", GREY)
    monkeypatch.setattr(picture, "read", None)
    monkeypatch.setattr(ram, "memory", lambda: 700_000)
    assert command("blur", "a.tif", "-o", "b.tif")[0] == 0


def test_pictures_at_a_time_share_the_memory(folder, command, monkeypatch):
    for name in ("a", "b"):
        save(f"{name}.tif", GREY)
    given = []
    monkeypatch.setattr(large.fastsep, "filter_blocks", lambda *_, memory, **__: given.append(memory))
    assert command("blur", "a.tif", "b.tif", "-o", "out", "--memory", "400k", "-j", 2)[0] == 0
    assert given == [200 << 10] * 2


@pytest.mark.parametrize("limit", ["max", "1000000"])
@pytest.mark.parametrize("version", [1, 2])
def test_the_memory_of_a_group_is_the_limit(limit, version, tmp_path):
    name = {1: "memory.limit_in_bytes", 2: "memory.max"}[version]
    files = {
        "proc/self/cgroup": {1: "9:memory:/a\n", 2: "0::/a\n"}[version],
        "proc/self/mountinfo": {
            1: "31 23 0:28 / /groups rw - cgroup cgroup rw,memory\n",
            2: "31 23 0:28 / /groups rw - cgroup2 cgroup rw\n",
        }[version],
        f"groups/a/{name}": limit,
        f"groups/{name}": "max",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    machine = ram.memory(tmp_path / "nowhere")
    assert ram.memory(tmp_path) == (machine if limit == "max" else 1_000_000)
