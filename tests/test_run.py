"""The pool of threads that runs bands where Numba is not loaded."""

import threading

import pytest

from fastsep import _run


def test_every_band_runs_once():
    seen = []
    _run._Pool().run(lambda _, __, address, index: seen.append((address, index)), 7, 5, 5)
    assert sorted(seen) == [(7, index) for index in range(5)]


def test_an_interrupted_call_waits_for_the_bands_at_work():
    caller = threading.current_thread()
    helping, done = threading.Event(), threading.Event()
    release = threading.Timer(0.2, done.set)

    def band(_, __, address, index):
        if threading.current_thread() is caller:
            assert helping.wait(10)
            release.start()
            raise KeyboardInterrupt
        helping.set()
        done.wait(10)

    # The arrays of a call may be freed as soon as it is left.
    with pytest.raises(KeyboardInterrupt):
        _run._Pool().run(band, 0, 2, 2)
    assert done.is_set()


def test_a_call_after_an_interrupted_one_runs_all_its_bands():
    pool = _run._Pool()
    caller = threading.current_thread()
    seen = []

    def interrupt(_, __, address, index):
        if threading.current_thread() is caller:
            raise KeyboardInterrupt

    for _ in range(20):
        call = _run._Call(pool, interrupt, 0, 3)
        with pytest.raises(KeyboardInterrupt):
            call.work()
        call.close()
        pool.calls.put(call)  # a thread that comes late finds nothing to do
        pool.run(lambda _, __, address, index: seen.append(index), 0, 3, 3)
    assert sorted(seen) == sorted([0, 1, 2] * 20)
