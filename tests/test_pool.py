"""The pool of threads that runs bands where Numba's threads do not."""

import ctypes
import random
import threading
import time
from _thread import interrupt_main

import pytest

from fastsep._kernels import jit
from fastsep._pool import Pool, Tasks

MOST = 8


def run(pool, function, bands, threads, block=0):
    """Run `function(block, band)` in place of a kernel; its first exception is raised here."""
    errors = []

    def band(_unused, _result, block, number):
        try:
            function(block, number)
        except BaseException as error:  # would be lost on its way through compiled code
            errors.append(error)
        return 0

    kernel = jit.BAND(band)
    try:
        pool.run(ctypes.cast(kernel, ctypes.c_void_p).value, block, bands, threads)
    finally:
        for error in errors:
            raise error


@pytest.mark.parametrize("threads", [1, 2, 3, MOST + 3])
def test_every_band_runs_once(threads):
    pool = Pool(MOST)
    for bands in (1, 2, 5, 40):
        seen = []
        run(pool, lambda block, band, seen=seen: seen.append((block, band)), bands, threads, block=7)
        assert sorted(seen) == [(7, band) for band in range(bands)]


def test_helpers_come_whether_they_sleep_or_not():
    pool, times = Pool(MOST), random.Random(0)
    for _ in range(400):
        # Nobody passes alone. A helper looks for some 70 us, then it sleeps.
        both = threading.Barrier(2, timeout=30)
        run(pool, lambda _, __, both=both: both.wait(), 2, 2)
        time.sleep(times.choice([0, 2e-5, 5e-5, 8e-5, 1e-3]))


def test_more_helpers_join_when_they_are_asked_for():
    pool = Pool(MOST)
    for threads in (2, 5, 3, 6):
        together = threading.Barrier(threads, timeout=30)
        run(pool, lambda _, __, together=together: together.wait(), threads, threads)


def test_no_more_threads_are_started_than_the_pool_may_have():
    pool, seen = Pool(2), set()
    run(pool, lambda _, __: (seen.add(threading.get_ident()), time.sleep(1e-3)), 40, 10)
    assert len(seen) <= 3


def test_a_call_waits_for_bands_that_take_long():
    pool, done = Pool(MOST), []

    def band(_, number):
        time.sleep(0.002 if number else 0.05)
        done.append(number)

    for _ in range(3):
        done.clear()
        run(pool, band, 4, 4)
        assert sorted(done) == [0, 1, 2, 3]


def test_an_interrupted_call_waits_for_the_bands_at_work_and_the_next_one_runs_all():
    pool, caller = Pool(MOST), threading.current_thread()
    for _ in range(5):
        helping, begun, done = threading.Event(), [], []

        def band(_, number, helping=helping, begun=begun, done=done):
            if threading.current_thread() is caller:
                assert helping.wait(30)  # so that somebody helps
            else:
                begun.append(number)
                helping.set()
                time.sleep(0.01)
                interrupt_main()
                time.sleep(0.05)
                done.append(number)

        # The arrays of a call may be freed as soon as it is left.
        with pytest.raises(KeyboardInterrupt):
            run(pool, band, 2, 2)
        assert done
        assert sorted(done) == sorted(begun)
        seen = []
        run(pool, lambda _, number, seen=seen: seen.append(number), 3, 3)
        assert sorted(seen) == [0, 1, 2]


def test_a_call_runs_alone_where_no_thread_can_be_started(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    seen = []
    run(Pool(MOST), lambda _, number: seen.append(number), 5, 3)
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_tasks_run_once_each_and_the_first_exception_ends_them():
    tasks, seen = Tasks(MOST), []
    for threads in (1, 2, 5):
        seen.clear()
        tasks.run(seen.append, 20, threads)
        assert sorted(seen) == list(range(20))

    def fail(number):
        seen.append(number)
        time.sleep(1e-3)
        raise ValueError(number)

    seen.clear()
    with pytest.raises(ValueError, match=r"\d"):
        tasks.run(fail, 50, 3)
    assert len(seen) <= 3
