"""The figures of whole processes: their scripts, how they are run, and what is made of them."""

import ast
import importlib.util
import re

import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")

from benchmarks import _processes
from benchmarks._processes import PROCESSES, Figure, Work, measure, steps

ALLOCATE = Work(
    "allocate",
    """
def make(rows, columns):
    return numpy.ones((rows, columns), "f4")
""",
    {"NumPy": ("import math", "image + 1")},
)


def test_names_are_unique():
    names = [figure.name for figure in PROCESSES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("figure", PROCESSES, ids=lambda figure: figure.name)
def test_scripts_are_python(figure):
    for script in figure.scripts.values():
        ast.parse(script)


def test_quick_selection_is_of_times_with_a_cache():
    quick = [figure for figure in PROCESSES if figure.quick]
    assert quick
    assert all(figure.unit == "s" and not figure.empty_cache for figure in quick)


def test_processes_are_summarised():
    calls = []
    selection = (
        Figure("printed", "s", {"NumPy": "print(0.25)"}, printed=True),
        Figure("whole", "s", {"fastsep": "", "NumPy": ""}),
        Figure("cold", "s", {"NumPy": "print(2)"}, printed=True, empty_cache=True),
    )
    printed, whole, cold = measure(selection, 2, lambda: calls.append(1)).processes
    assert len(calls) == steps(selection, 2) == 1 + 2 * 4
    (timing,) = printed.values
    assert (timing.library, timing.threads, timing.low, timing.median, timing.high) == ("NumPy", 0, 0.25, 0.25, 0.25)
    assert [timing.library for timing in whole.values] == ["fastsep", "NumPy"]
    assert all(0 < timing.low <= timing.median <= timing.high for timing in whole.values)
    assert (cold.name, cold.unit, cold.values[0].median) == ("cold", "s", 2)


def test_warm_processes_share_a_folder_and_cold_ones_do_not():
    script = "import os, pathlib; print(len(os.listdir(cache := os.environ['FASTSEP_CACHE_DIR'])))"
    script += "; pathlib.Path(cache, str(os.getpid())).touch()"
    warm = Figure("warm", "s", {"fastsep": script}, printed=True)
    cold = Figure("cold", "s", {"fastsep": script}, printed=True, empty_cache=True)
    assert [process.values[0].median for process in measure((warm, cold), 1, lambda: None).processes] == [1, 0]


def test_missing_libraries_are_left_out(monkeypatch):
    monkeypatch.setattr(_processes, "missing", lambda library: "cv2 not installed" if library == "OpenCV" else "")
    figure = Figure("import", "s", {"NumPy": "", "OpenCV": "raise SystemExit(1)"})
    (process,) = measure((figure,), 1, lambda: None).processes
    assert [timing.library for timing in process.values] == ["NumPy"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [("print(1)\nraise ValueError('no such image')", "ValueError: no such image"), ("raise SystemExit(3)", "status 3")],
)
def test_failing_script_is_named_in_one_line_and_the_others_are_measured(script, reason):
    calls = []
    selection = (
        Figure("a row", "s", {"NumPy": script, "SciPy": ""}),
        Figure("silent", "s", {"NumPy": ""}, printed=True),
    )
    outcome = measure(selection, 2, lambda: calls.append(1))
    assert [(process.name, [value.library for value in process.values]) for process in outcome.processes] == [
        ("a row", ["SciPy"])
    ]
    failed, silent = outcome.failures
    assert re.fullmatch(rf"a row, NumPy left out: .*{reason}", failed)
    assert silent.startswith("silent, NumPy left out: could not convert")
    assert len(calls) == steps(selection, 2)


def test_what_was_measured_before_an_interruption_is_kept():
    calls = []

    def advance():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    selection = (Figure("first", "s", {"NumPy": ""}), Figure("second", "s", {"NumPy": ""}))
    outcome = measure(selection[:1], 9, advance)
    assert (outcome.stopped, [process.name for process in outcome.processes]) == (True, ["first"])
    calls[:] = [1, 1]
    outcome = measure(selection, 1, advance)
    assert (outcome.stopped, [process.name for process in outcome.processes]) == (True, ["first"])


@pytest.mark.skipif(importlib.util.find_spec("resource") is None, reason="this Python does not tell its memory")
def test_memory_is_that_of_the_result_whatever_the_parent_holds():
    size = 2048 * 4096 * 4
    held = bytearray(b"x" * (6 * size))  # more than the child will ever have
    script = _processes.memory(ALLOCATE, "NumPy", (2048, 4096))
    (process,) = measure((Figure("memory", "bytes", {"NumPy": script}, printed=True),), 1, lambda: None).processes
    assert len(held) == 6 * size
    assert process.values[0].median == pytest.approx(size, rel=0.2)


def test_memory_is_left_out_where_it_is_not_known(monkeypatch, capsys):
    monkeypatch.setattr(_processes, "_memory_is_known", lambda: False)
    figure = Figure("memory", "bytes", {"NumPy": "raise SystemExit(1)"}, printed=True)
    assert measure((figure,), 1, lambda: None).processes == ()
    assert len(capsys.readouterr().out.splitlines()) == 1
