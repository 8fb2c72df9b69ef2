"""How a case is timed: libraries that cannot take part are left out, and the others are timed."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")

from benchmarks import _libraries, _measure, _timing
from benchmarks._contest import Case, Contest, Entry

IMAGE = np.arange(400.0).reshape(20, 20)
CASE = Case("double", IMAGE.shape, "float64")


@pytest.fixture(autouse=True)
def nothing_takes_long(monkeypatch):
    for name in ("WARM_UP", "BURST", "SAMPLE"):
        monkeypatch.setattr(_timing, name, 1e-5)
    monkeypatch.setattr(_measure, "missing", lambda library: "")
    monkeypatch.setattr(_measure, "settle", lambda library, threads: None)


def timed(monkeypatch, *peers, ours=lambda threads: lambda: 2 * IMAGE, threads=(1, 2)):
    contest = Contest((Entry("fastsep", ours), *peers), 0)
    monkeypatch.setitem(_measure.OPERATIONS, "double", lambda x: contest)
    return _measure.run(CASE, IMAGE, threads, 1)


def times(row):
    return [(timing.library, timing.threads) for timing in row.timings]


def fails(*arguments):
    raise ValueError("no such\n  filter")


def with_two_threads(action, threads):
    """As it should be with one."""
    return (lambda: 2 * IMAGE) if threads == 1 else action(threads)


@pytest.mark.parametrize(
    "start",
    [
        fails,
        lambda threads: fails,
        partial(with_two_threads, fails),
        partial(with_two_threads, lambda threads: fails),
    ],
    ids=["set-up", "call", "set-up with two threads", "call with two threads"],
)
def test_a_library_that_raises_is_left_out_and_the_others_are_timed(monkeypatch, start):
    row = timed(monkeypatch, Entry("OpenCV", start), Entry("SciPy", lambda threads: lambda: IMAGE + IMAGE))
    assert row.left_out == {"OpenCV": "no such filter"}
    assert row.wrong == ["OpenCV"]
    assert times(row) == [("fastsep", 1), ("fastsep", 2), ("SciPy", 1)]


def test_a_library_that_fails_later_is_left_out(monkeypatch):
    calls = []

    def call():
        calls.append(1)
        return fails() if len(calls) > 1 else 2 * IMAGE

    assert timed(monkeypatch, Entry("OpenCV", lambda threads: call)).left_out == {"OpenCV": "no such filter"}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (2 * IMAGE + 1, "differs by 1, tolerated 0.5"),
        (2 * IMAGE[:10], "gives the shape (10, 20), not (20, 20)"),
        (np.where(IMAGE == 50, np.nan, 2 * IMAGE), "differs by nan, tolerated 0.5"),
    ],
)
@pytest.mark.parametrize("wrong_from", [1, 2])
def test_a_library_with_another_result_is_left_out(monkeypatch, result, reason, wrong_from):
    """Also where only more threads give it: what is checked is what is timed."""
    entry = Entry("OpenCV", lambda threads: lambda: result if threads >= wrong_from else 2 * IMAGE, 0.5)
    row = timed(monkeypatch, entry, Entry("DIPlib", lambda threads: lambda: IMAGE + IMAGE))
    assert row.left_out == {"OpenCV": reason}
    assert times(row) == [("fastsep", 1), ("fastsep", 2), ("DIPlib", 1), ("DIPlib", 2)]


def test_a_library_that_is_missing_is_not_even_started(monkeypatch):
    monkeypatch.setattr(_measure, "missing", lambda library: "cv2 not installed" if library == "OpenCV" else "")
    row = timed(monkeypatch, Entry("OpenCV", fails))
    assert row.left_out == {"OpenCV": "cv2 not installed"}
    assert not row.wrong


def test_a_result_of_fastsep_that_depends_on_the_threads_is_an_error(monkeypatch):
    with pytest.raises(AssertionError, match="depends on the number of threads"):
        timed(monkeypatch, ours=lambda threads: lambda: threads * IMAGE)


def test_calls_are_timed_one_by_one_and_nothing_else(monkeypatch):
    """Set-up happens once a number of threads; every other call is the timed one."""
    started = []

    def start(threads):
        started.append(threads)
        return lambda: 2 * IMAGE

    row = timed(monkeypatch, Entry("OpenCV", start))
    assert started == [1, 2]
    assert all(0 < timing.low <= timing.median <= timing.high < 0.1 for timing in row.timings)


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3), (3, 9), (1, 1), (4, 4, 4)])
def test_results_may_differ_along_every_border_but_that_of_colours(shape):
    reference = np.zeros(shape)
    inner = reference[1:-1, 1:-1] if len(shape) < 3 or shape[-1] == 3 else reference[1:-1, 1:-1, 1:-1]
    entry = Entry("OpenCV", fails, margin=1)
    other = np.ones(shape)
    other[tuple(slice(1, -1) for _ in range(inner.ndim - (shape[-1] == 3 and len(shape) == 3)))] = 0
    entry.check(other, reference)
    if inner.size:
        with pytest.raises(AssertionError, match="differs by 2"):
            entry.check(other + np.where(other == 0, 2, 0), reference)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "cv2 not installed"),
        (ModuleNotFoundError("No module named 'xyz'", name="xyz"), "cv2 cannot be imported: No module named 'xyz'"),
        (ImportError("libGL.so.1: no such\nfile"), "cv2 cannot be imported: libGL.so.1: no such file"),
        (RuntimeError(), "cv2 cannot be imported: RuntimeError"),
        (RuntimeError(200 * "x"), f"cv2 cannot be imported: {_libraries.LONGEST * 'x'}..."),
    ],
)
def test_a_library_that_cannot_be_imported_is_missing(monkeypatch, error, reason):
    def find(module):
        raise error

    monkeypatch.setattr(_libraries.importlib, "import_module", find)
    assert _libraries.missing.__wrapped__("OpenCV") == reason


def test_a_library_of_two_modules_names_those_that_are_not_there(monkeypatch):
    def find(module):
        if module == "onnx":
            raise ModuleNotFoundError(name=module)

    monkeypatch.setattr(_libraries.importlib, "import_module", find)
    assert _libraries.missing.__wrapped__("ONNX Runtime") == "onnx not installed"
