"""`filter_blocks` goes on where it was interrupted, if nothing but its progress has changed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from block_files import mapped, refused, stop_after

import fastsep
from fastsep import filter_blocks
from fastsep._arrays.blocks import journal as journals
from fastsep._arrays.blocks import kept, local, run, writing

RNG = np.random.default_rng(7)
IMAGE = RNG.random((75, 103), "f4")
MASK = RNG.random(IMAGE.shape) > 0.02


@pytest.fixture
def files(tmp_path):
    return mapped(tmp_path / "source", IMAGE), mapped(tmp_path / "target", np.zeros_like(IMAGE))


def test_finished_blocks_are_left_out(files, tmp_path):
    source, target = files
    stop_after(2, fastsep.gaussian, source, target, 2, block=(10, 103))
    listed = json.loads((tmp_path / "target.fastsep-journal").read_text())["done"]
    assert listed[:2] == [0, 1]
    target[:20] = 5
    told = []
    filter_blocks(
        fastsep.gaussian,
        source,
        target,
        2,
        block=(10, 103),
        resume=True,
        progress=lambda *numbers: told.append(numbers),
    )
    assert (target[:20] == 5).all()
    rows = 10 * len(listed)
    np.testing.assert_array_equal(target[rows:], fastsep.gaussian(IMAGE, 2)[rows:])
    assert told == [(number, 8) for number in range(len(listed) + 1, 9)]
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_the_number_of_threads_may_change(files):
    source, target = files
    stop_after(2, fastsep.gaussian, source, target, 2, block=10, workers=2)
    filter_blocks(fastsep.gaussian, source, target, 2, block=10, workers=1, resume=True)
    np.testing.assert_array_equal(target, fastsep.gaussian(IMAGE, 2))


def test_a_journal_may_be_left_out(files, tmp_path):
    source, target = files
    stop_after(2, fastsep.gaussian, source, target, 2, block=10, journal=False)
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]
    with pytest.raises(ValueError, match=r"^`resume` needs `journal`"):
        filter_blocks(fastsep.gaussian, source, target, 2, block=10, journal=False, resume=True)


def test_without_resume_all_is_done_anew(files, tmp_path):
    source, target = files
    stop_after(2, fastsep.gaussian, source, target, 2, block=10)
    target[...] = 5
    filter_blocks(fastsep.gaussian, source, target, 2, block=10)
    np.testing.assert_array_equal(target, fastsep.gaussian(IMAGE, 2))
    filter_blocks(fastsep.gaussian, source, target, 3, resume=True)  # there is no journal any more
    np.testing.assert_array_equal(target, fastsep.gaussian(IMAGE, 3))


@pytest.mark.parametrize("what", ["argument", "function", "source", "shape of blocks", "mask", "version"])
def test_other_work_is_not_resumed(what, files, tmp_path, monkeypatch):
    source, target = files
    function, options = fastsep.sobel, {"mode": "mirror", "mask": MASK, "block": (10, 103)}
    stop_after(2, function, source, target, **options)
    if what == "argument":
        options["mode"] = "reflect"
    elif what == "function":
        function = fastsep.scharr
    elif what == "source":
        source[0, 0] += 1
        source.flush()
        os.utime(tmp_path / "source", ns=(1, 1))
    elif what == "mask":
        options["mask"] = ~MASK
    elif what == "version":
        monkeypatch.setattr(fastsep, "__version__", "0")
    else:
        options["block"] = (20, 103)
    before = np.array(target)
    with pytest.raises(ValueError, match=f"{what}.* is not what it was, says ") as caught:
        filter_blocks(function, source, target, resume=True, **options)
    assert str(caught.value).startswith("`resume` must be False: ")
    np.testing.assert_array_equal(target, before)
    assert (tmp_path / "target.fastsep-journal").exists()


def test_arrays_in_memory_have_a_journal_if_it_has_a_name(tmp_path):
    target = np.zeros_like(IMAGE)
    with pytest.raises(ValueError, match=r"^`resume` needs `journal`"):
        filter_blocks(fastsep.gaussian, IMAGE, target, resume=True)
    stop_after(2, fastsep.gaussian, IMAGE, target, block=10, journal=tmp_path / "list")
    assert (tmp_path / "list").exists()
    with pytest.raises(ValueError, match="`source` is not what it was"):
        filter_blocks(fastsep.gaussian, IMAGE + 1, target, block=10, journal=tmp_path / "list", resume=True)
    filter_blocks(fastsep.gaussian, IMAGE, target, block=10, journal=tmp_path / "list", resume=True)
    np.testing.assert_array_equal(target, fastsep.gaussian(IMAGE))
    assert not os.listdir(tmp_path)


def test_the_look_at_the_whole_image_is_remembered(files, monkeypatch):
    source, target = files
    kernel = np.add.outer(np.hanning(19), np.hanning(19))
    stop_after(2, fastsep.correlate, source, target, kernel, block=10)
    monkeypatch.setattr(run._Work, "_is_within", None)
    filter_blocks(fastsep.correlate, source, target, kernel, block=10, resume=True)
    np.testing.assert_array_equal(target, fastsep.correlate(IMAGE, kernel))


CHILD = """
import sys, time
import numpy as np, fastsep
from fastsep._arrays.blocks import journal
journal.SECONDS = 0
source = np.memmap("source", "f4", "r", shape=(75, 103))
target = np.memmap("target", sys.argv[2], "r+", shape=(75, 103))
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.05)
fastsep.filter_blocks(getattr(fastsep, sys.argv[1]), source, target, 2, block=(2, 103), progress=slowly)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are not killed here")
@pytest.mark.parametrize(
    ("name", "dtype", "count", "most"), [("gaussian", "f4", 5, 38), ("canny", "?", 5, 38), ("canny", "?", 43, 76)]
)
def test_a_killed_process_is_resumed(name, dtype, count, most, tmp_path):
    mapped(tmp_path / "source", IMAGE).flush()
    source = np.memmap(tmp_path / "source", "f4", "r", shape=IMAGE.shape)
    target = mapped(tmp_path / "target", np.zeros(IMAGE.shape, dtype))
    environment = {**os.environ, "PYTHONPATH": str(Path(fastsep.__file__).parents[1])}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, name, dtype], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    with child:
        for line in child.stdout:
            if int(line) >= count:
                child.kill()
                break
        child.wait()
    listed = len(json.loads((tmp_path / "target.fastsep-journal").read_text())["done"])
    assert count <= listed < most
    expected = getattr(fastsep, name)(IMAGE, 2)
    if name == "gaussian":
        np.testing.assert_array_equal(target[: 2 * listed], expected[: 2 * listed])
    filter_blocks(getattr(fastsep, name), source, target, 2, block=(2, 103), resume=True)
    np.testing.assert_array_equal(target, expected)


def test_a_listed_block_is_on_the_disk_before(files, monkeypatch):
    source, target = files
    order = []
    sync, replace = writing.Target.sync, os.replace
    monkeypatch.setattr(writing.Target, "sync", lambda self: order.append("sync") or sync(self))
    monkeypatch.setattr(os, "replace", lambda *paths: order.append("list") or replace(*paths))
    monkeypatch.setattr(journals, "SECONDS", 0)
    filter_blocks(fastsep.gaussian, source, target, 2, block=(30, 103))
    assert order == ["sync", "list"] * 3


def test_what_listed_blocks_leave_is_on_the_disk_before(files, tmp_path, monkeypatch):
    source, _ = files
    target = mapped(tmp_path / "target", np.zeros(IMAGE.shape, bool))
    order = []
    save, replace = kept.Kept.save, os.replace
    monkeypatch.setattr(kept.Kept, "save", lambda self: order.append("keep") or save(self))
    monkeypatch.setattr(os, "replace", lambda *paths: order.append("list") or replace(*paths))
    monkeypatch.setattr(journals, "SECONDS", 0)
    filter_blocks(fastsep.canny, source, target, 2, block=(30, 103))
    assert order == ["keep", "list"] * 6


# ---- edges that are resumed

WEAVE = (fastsep.gaussian(np.random.default_rng(5).random((70, 61)), 1.5) * 255).astype(np.uint8)
DUSTY = np.random.default_rng(8).random(WEAVE.shape) < 0.99
VOXELS = np.random.default_rng(6).random((12, 14, 10))
FOLLOWED = {
    "canny": (fastsep.canny, WEAVE, {"low_threshold": 8, "high_threshold": 60, "mode": "wrap"}, (30, 20)),
    "masked canny": (fastsep.canny, WEAVE, {"low_threshold": 8, "high_threshold": 60, "mask": DUSTY}, (30, 61)),
    "thresholds": (fastsep.apply_hysteresis_threshold, VOXELS, {"low": 0.7, "high": 0.99}, (7, 7, 10)),
}


@pytest.fixture(params=FOLLOWED)
def edges(request, tmp_path):
    """Arguments of `filter_blocks` but options, these, the result in memory, and the number of blocks."""
    function, image, options, block = FOLLOWED[request.param]
    source, target = mapped(tmp_path / "source", image), mapped(tmp_path / "target", np.ones(image.shape, bool))
    blocks = np.prod([-(-length // size) for length, size in zip(image.shape, block, strict=True)])
    return (function, source, target), {**options, "block": block}, function(image, **options), blocks


def test_edges_are_resumed_in_each_block_of_both_passes(edges, tmp_path, monkeypatch):
    arguments, options, expected, blocks = edges
    target = arguments[2]
    for count in range(1, 2 * blocks + 1):
        target[...] = True
        stop_after(count, *arguments, **options)
        if count == blocks:
            assert (target != expected).any()  # else the second pass had nothing to do
        told = []
        with monkeypatch.context() as patch:
            if count >= blocks:
                patch.setattr(local.Local, "codes", None)
            filter_blocks(*arguments, resume=True, progress=lambda *numbers, told=told: told.append(numbers), **options)
        np.testing.assert_array_equal(target, expected)
        assert told == [(number, 2 * blocks) for number in range(count + 1, 2 * blocks + 1)]
        assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_edges_are_interrupted_and_resumed_again_and_again(edges):
    arguments, options, expected, blocks = edges
    stop_after(1, *arguments, **options)
    for count in range(4, 2 * blocks, 3):
        stop_after(count, *arguments, resume=True, **options)
    filter_blocks(*arguments, resume=True, **options)
    np.testing.assert_array_equal(arguments[2], expected)


def test_what_was_not_listed_is_cut_off(edges, tmp_path):
    arguments, options, expected, blocks = edges
    stop_after(1, *arguments, **options)
    with open(tmp_path / "target.fastsep-journal.edges", "ab") as file:
        file.write(b"half a block")
    stop_after(blocks, *arguments, resume=True, **options)
    filter_blocks(*arguments, resume=True, **options)
    np.testing.assert_array_equal(arguments[2], expected)


def test_edges_are_resumed_in_stores_of_zarr(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    function, image, options, _ = FOLLOWED["canny"]
    target = zarr.create_array(tmp_path / "target.zarr", shape=image.shape, dtype=bool, chunks=(10, 20))
    for count in (3, 14, 20, 27):
        stop_after(count, function, image, target, block=(20, 20), resume=count > 3, **options)
    filter_blocks(function, image, target, block=(20, 20), resume=True, **options)
    np.testing.assert_array_equal(target[...], function(image, **options))
    assert os.listdir(tmp_path) == ["target.zarr"]


@pytest.mark.parametrize("count", [2, 15])
@pytest.mark.parametrize("what", ["argument", "source", "mask", "shape of blocks"])
def test_other_edges_are_not_resumed(what, count, tmp_path):
    function, image, options, _ = FOLLOWED["canny"]
    options = {**options, "block": (30, 20)}
    source, target = mapped(tmp_path / "source", image), mapped(tmp_path / "target", np.zeros(image.shape, bool))
    stop_after(count, function, source, target, **options)
    if what == "argument":
        options["low_threshold"] = 9
    elif what == "mask":
        options["mask"] = image > 0
    elif what == "source":
        os.utime(tmp_path / "source", ns=(1, 1))
    else:
        options["block"] = (30, 30)
    refused(ValueError, f"{what}", function, source, target, resume=True, **options)


# ---- journals that are damaged


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def change(path):
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


def leave_out(path):
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "done": found["done"][1:]}))


def say_nothing(path):
    path.write_text("[]")


@pytest.mark.parametrize(
    ("name", "damage"),
    [("", cut), ("", leave_out), ("", say_nothing), (".edges", cut), (".edges", change), (".edges", os.remove)],
)
@pytest.mark.parametrize("count", [2, 15])
def test_a_damaged_journal_is_refused(name, damage, count, tmp_path):
    function, image, options, _ = FOLLOWED["canny"]
    expected, options = function(image, **options), {**options, "block": (30, 20)}
    target = mapped(tmp_path / "target", np.zeros(image.shape, bool))
    stop_after(count, function, image, target, **options)
    damage(tmp_path / f"target.fastsep-journal{name}")
    refused(ValueError, "`resume` must be False: the journal ", function, image, target, resume=True, **options)
    filter_blocks(function, image, target, **options)
    np.testing.assert_array_equal(target, expected)
    assert os.listdir(tmp_path) == ["target"]
