"""The benchmarks as they are called: small selections are really measured, by pytest-benchmark in a process."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")
pytest.importorskip("pytest_benchmark")
pytest.importorskip("skimage")  # the photograph

from benchmarks import __main__ as command
from benchmarks import test_processes as processes
from benchmarks._results import read
from benchmarks._scripts import PROCESSES, Figure, Work, memory

ROOT = Path(__file__).parents[1]
SMALLEST = "gaussian 64x64 float32 sigma=1"


@pytest.fixture
def run(tmp_path):
    """Runs a module, from a folder of its own; returns exit code, stdout, stderr."""

    def call(*words, first=None):
        paths = filter(None, [first, str(ROOT), os.environ.get("PYTHONPATH")])
        # Without what pytest tells the processes that run tests: pytest-benchmark measures nothing in those.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        command = [sys.executable, "-m", *map(str, words), "--rounds=1", "-pno:cacheprovider"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout, done.stderr

    return call


def kept(folder):
    return read((folder / "benchmark-report" / "results.json").read_text())


@pytest.mark.slow
def test_a_case_is_measured_reported_kept_and_compared(run, tmp_path):
    code, out, err = run("benchmarks", "--only", SMALLEST, "--threads=1", "--benchmark-save=first")
    assert code == 0, err
    assert f"benchmark '{SMALLEST}'" in out  # pytest-benchmark's table
    assert "| SciPy | " in out
    times = kept(tmp_path).cases[SMALLEST]
    assert {("fastsep", 1), ("SciPy", 1), ("scikit-image", 1), ("np.copyto", 1), ("multiply-adds", 1)} <= set(times)
    assert all(1e-7 < seconds < 1 for seconds in times.values())

    words = ("pytest", "-n0", ROOT / "benchmarks", "--only", f"{SMALLEST}, fastsep, 1")
    code, out, err = run(*words, "--benchmark-compare", "--benchmark-name=short")
    assert code == 0, err
    for source in ("0001", "NOW"):
        assert f"speed[{SMALLEST}, fastsep, 1] ({source})" in out
    assert "SciPy" not in out  # only what is selected takes part


@pytest.mark.slow
def test_a_damaged_library_is_named_and_nothing_is_kept(run, tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: no such file')")
    code, out, err = run("benchmarks", "--only", f"{SMALLEST}, OpenCV, 1", first=tmp_path)
    assert code == 0, err
    assert "cv2 cannot be imported: libGL.so.1: no such file" in out
    assert not (tmp_path / "benchmark-report" / "results.json").exists()


def test_names_are_listed_and_nothing_is_measured(run, tmp_path):
    code, out, err = run("benchmarks", "--quick", "--collect-only", "-q")
    assert code == 0, err
    assert f"[{SMALLEST.replace('=1', '=2')}, fastsep, 1]" in out
    assert "test_processes.py::test_process[import, fastsep]" in out
    assert not list((tmp_path / "benchmark-report").iterdir())


@pytest.mark.slow
def test_a_whole_process_is_measured_and_kept(run, tmp_path):
    code, _, err = run("benchmarks", "--only", "process[import")
    assert code == 0, err
    figures = kept(tmp_path).processes["import"]
    assert {"NumPy", "fastsep", "scikit-image", "SciPy"} <= set(figures)
    assert all(re.fullmatch(r"[\d.]+ ms", figure) for figure in figures.values())


def test_an_unknown_number_of_threads_is_refused(run):
    code, _, err = run("benchmarks", "--threads=9999")
    assert code
    assert err.startswith("ERROR: --threads must be from 1 to ")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--load", "missing.json"], "No such file or directory: 'missing.json'"),
        (["--load", "other.json"], "holds no results of these benchmarks"),
        (["--load", "kept.json", "--readme"], "the results lack scikit-image, which the README shows"),
        (["--output", "other.json"], "File exists: 'other.json'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(tmp_path, monkeypatch, capsys, options, reason):
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("{}")
    Path("kept.json").write_text('{"machine_info": {"fastsep": {}}, "benchmarks": []}')
    assert command.main(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks: error: ")
    assert line.endswith(reason)


@pytest.mark.parametrize("status", [0, 1])
def test_the_readme_is_updated_only_if_all_was_measured(tmp_path, monkeypatch, capsys, status):
    monkeypatch.chdir(tmp_path)
    text, updated = (ROOT / "benchmarks" / "results.json").read_text(), []
    monkeypatch.setattr(command, "measure", lambda options: (status, text))
    monkeypatch.setattr(command._pages, "update", lambda root, kept: updated.append(kept))
    assert command.main(["--readme"]) == status
    assert updated == ([text] if status == 0 else [])
    out = capsys.readouterr().out
    assert ("The README is as it was" in out) == (status == 1)
    assert "Where others are faster" in out
    assert kept(tmp_path) == read(text)


# ---- whole processes


def test_names_of_processes_are_unique_and_their_scripts_are_python():
    assert len({figure.name for figure in PROCESSES}) == len(PROCESSES)
    for figure in PROCESSES:
        for script in figure.scripts.values():
            ast.parse(script)


def test_a_process_is_timed_as_a_whole_or_by_what_it_prints(tmp_path):
    (whole,) = processes.run(Figure("", {"NumPy": ""}, "process"), "NumPy", tmp_path)
    assert 0 < whole < 60
    assert processes.run(Figure("", {"NumPy": "print(0.25, 9)"}, "call"), "NumPy", tmp_path) == [0.25, 9]
    with pytest.raises(AssertionError, match="ValueError: no such image"):
        processes.run(Figure("", {"NumPy": "raise ValueError('no such image')"}, "process"), "NumPy", tmp_path)


def test_warm_processes_share_a_folder_and_cold_ones_do_not(tmp_path):
    script = "import os, pathlib; print(len(os.listdir(cache := os.environ['FASTSEP_CACHE_DIR'])))"
    script += "; pathlib.Path(cache, str(os.getpid())).touch()"
    warm, cold = (Figure("", {"fastsep": script}, "call", empty_cache=empty) for empty in (False, True))
    found = [processes.run(figure, "fastsep", tmp_path) for figure in (warm, warm, cold, cold)]
    assert found == [[0], [1], [0], [0]]


@pytest.mark.skipif(importlib.util.find_spec("resource") is None, reason="this Python does not tell its memory")
def test_memory_is_that_of_the_result_whatever_the_parent_holds(tmp_path):
    make = 'def make(rows, columns):\n    return numpy.ones((rows, columns), "f4")\n'
    allocate, size = Work("allocate", make, {"NumPy": ("import math", "image + 1")}), 2048 * 4096 * 4
    held = bytearray(b"x" * (6 * size))  # more than the child will ever have
    script = memory(allocate, "NumPy", (2048, 4096))
    _, peak = processes.run(Figure("", {"NumPy": script}, "call"), "NumPy", tmp_path)
    assert len(held) == 6 * size
    assert peak == pytest.approx(size, rel=0.2)
