"""How a case is timed: results agree first, libraries that cannot take part are left out, the others take turns."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")

from benchmarks import _libraries, _limits, _measure, _timing
from benchmarks._contest import LIMITS, Case, Contest, Entry, Work

IMAGE = np.arange(400.0).reshape(20, 20)
CASE = Case("double", IMAGE.shape, "float64")


@pytest.fixture(autouse=True)
def nothing_takes_long(monkeypatch):
    for name in ("WARM_UP", "BURST", "SAMPLE"):
        monkeypatch.setattr(_timing, name, 1e-5)
    monkeypatch.setattr(_measure, "missing", lambda library: "")
    monkeypatch.setattr(_measure, "settle", lambda library, threads: None)


def double(threads):
    return lambda: 2 * IMAGE


def timed(monkeypatch, *peers, ours=double, work=None):
    contest = Contest((Entry("fastsep", ours), *peers), work)
    monkeypatch.setitem(_measure.OPERATIONS, "double", lambda x: contest)
    names = [entry.library for entry in contest.entries]
    keys = [(name, threads) for name in names for threads in ((1,) if _libraries.has_one_thread(name) else (1, 2))]
    keys += [(limit, 1) for limit in LIMITS if work]
    return _measure.run(CASE, IMAGE, keys, 2)


def reasons(found):
    """Why who was left out; all others were timed."""
    assert all(outcome for outcome in found.values() if not isinstance(outcome, Exception))
    return {key: str(outcome) for key, outcome in found.items() if isinstance(outcome, Exception)}


def fails(*arguments):
    raise ValueError("no such filter")


def with_two_threads(action, threads):
    """As it should be with one."""
    return double(threads) if threads == 1 else action(threads)


@pytest.mark.parametrize(
    "start",
    [fails, lambda threads: fails, partial(with_two_threads, fails), partial(with_two_threads, lambda threads: fails)],
    ids=["set-up", "call", "set-up with two threads", "call with two threads"],
)
def test_a_library_that_raises_is_left_out_and_the_others_are_timed(monkeypatch, start):
    found = timed(monkeypatch, Entry("OpenCV", start), Entry("SciPy", double))
    assert reasons(found) == dict.fromkeys([("OpenCV", 1), ("OpenCV", 2)], "no such filter")
    assert {"fastsep", "SciPy"} <= {library for library, _ in found}


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
    found = timed(monkeypatch, entry, Entry("DIPlib", double))
    assert reasons(found) == dict.fromkeys([("OpenCV", 1), ("OpenCV", 2)], reason)
    assert len(found) == 6


def test_a_tolerance_of_the_range_grows_with_it():
    entry = Entry("OpenCV", fails, 0.01, of_range=True)
    entry.check(IMAGE + 3, IMAGE)
    with pytest.raises(AssertionError, match=r"differs by 3, tolerated 1\.99"):
        entry.check(IMAGE[:10] + 3, IMAGE[:10])


def test_a_library_that_is_missing_is_not_even_started(monkeypatch):
    monkeypatch.setattr(_measure, "missing", lambda library: "cv2 not installed")
    found = timed(monkeypatch, Entry("OpenCV", lambda threads: pytest.fail("started")))
    assert isinstance(found["OpenCV", 1], _measure.LeftOut)
    assert set(reasons(found).values()) == {"cv2 not installed"}


def test_a_result_of_fastsep_that_depends_on_the_threads_leaves_everybody_out(monkeypatch):
    found = timed(monkeypatch, Entry("OpenCV", double), ours=lambda threads: lambda: threads * IMAGE)
    assert set(reasons(found).values()) == {"fastsep's result depends on the number of threads"}
    assert len(reasons(found)) == 4


def test_all_take_turns_and_are_told_their_threads_before_each():
    told = []

    def call(name):
        if told[-1] != name:  # several calls in one turn
            told.append(name)

    _timing.measure([partial(call, "first"), partial(call, "second")], 2, lambda number: told.append(number))
    assert told == [0, "first", 1, "second", 0, "first", 1, "second"]


def test_limits_of_a_core_are_timed_beside_the_libraries(monkeypatch):
    found = timed(monkeypatch, work=lambda: Work(bytes=1 << 20, multiply_adds=10**6))
    assert not reasons(found)
    # No core copies a terabyte a second, or adds 10^13 products, and none needs a second for this.
    for limit in LIMITS:
        assert all(1e-7 < seconds < 1 for seconds in found[limit, 1])


def test_a_limit_of_nothing_is_left_out(monkeypatch):
    found = timed(monkeypatch, work=lambda: Work(bytes=1 << 20))
    assert reasons(found) == {("multiply-adds", 1): "there is no arithmetic to speak of"}


def test_a_limit_moves_every_byte_and_does_every_multiply_add_once():
    target, source = _limits.copy(2000).args
    assert target.nbytes + source.nbytes == 2000
    _, each = _limits._chains()
    assert _limits.arithmetic(1000 * each, "float32").args == (1000,)
    assert _limits.arithmetic(1000 * each, "float64").args == (2000,)


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3), (3, 9), (1, 1), (4, 4, 4)])
def test_results_may_differ_along_every_border_but_that_of_colours(shape):
    reference = np.zeros(shape)
    axes = len(shape) - (shape[-1] == 3 and len(shape) == 3)
    inner = (slice(1, -1),) * axes
    entry, other = Entry("OpenCV", fails, margin=1), np.ones(shape)
    other[inner] = 0
    entry.check(other, reference)
    if reference[inner].size:
        with pytest.raises(AssertionError, match="differs by 2"):
            entry.check(other + np.where(other == 0, 2, 0), reference)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "cv2 not installed"),
        (ModuleNotFoundError("No module named 'xyz'", name="xyz"), "cv2 cannot be imported: No module named 'xyz'"),
        (ImportError("libGL.so.1: no such\nfile"), "cv2 cannot be imported: libGL.so.1: no such file"),
        (RuntimeError(), "cv2 cannot be imported: RuntimeError"),
    ],
)
def test_a_library_that_cannot_be_imported_is_missing(monkeypatch, error, reason):
    def find(module):
        raise error

    monkeypatch.setattr(_libraries.importlib, "import_module", find)
    assert _libraries.missing.__wrapped__("OpenCV") == reason
