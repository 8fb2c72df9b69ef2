"""Promise: no crash and no wrong pixel by threads or forks.

Calls from many threads, from forked children, at the end of the process, and where greenlets stand in
for threads, give what a serial call gives. What can end or hang a process runs as a script in one of its own.
"""

import _thread
import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from cases import CASES
from helpers import (
    cut_all_images,
    finish_script,
    make_image,
    quick_call,
    replace_everywhere,
    same_bits,
    say,
    start_script,
)

import fastsep
from fastsep._engine import bands as _bands
from fastsep._engine import pool as _pool
from fastsep._kernels import jit, native_threads
from fastsep._kernels.pool import words
from fastsep._plan import tuning

forks = pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork")
NAMES = (
    "canny",
    "gaussian",
    "magnitude",
    "laplace RGB",
    "large box",
    "volume",
    "roberts",
    "smooth 4",
    "box of a volume",
    "dense",
    "smoothed farid",
    "hysteresis",
)
FEW = NAMES[:5]


def run(scenario, **environment):
    """Run a scenario, which prints that it is done, and nothing else."""
    status, output = finish_script(start_script(__file__, scenario, **environment))
    assert status == 0, f"exit status {status}\n{output}"
    assert output == "done\n"


# ---- scenarios: each runs as a script


def work(names=NAMES, scale=1):
    """(case, image, dtype, serial result) of each name."""
    rng = np.random.default_rng(5)
    jobs = []
    for name in names:
        case = CASES[name]
        src, dst = case.dtypes[0]
        image = make_image(rng, src, case.shape(*((90 * scale, 70 * scale) if case.ndim == 2 else (9, 40 * scale, 30))))
        jobs.append((name, image, dst, case.call(image, dtype=dst, workers=1)))
    return jobs


def right(job, workers=None):
    name, image, dst, expected = job
    return same_bits(CASES[name].call(image, dtype=dst, workers=workers), expected)


def in_threads(count, target):
    """Run target(number) in threads that start together; their results."""
    barrier = threading.Barrier(count)

    def start(number):
        barrier.wait()
        return target(number)

    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(start, range(count)))


def eight_threads():
    jobs = work()

    def calls(number):
        return all(right(jobs[(number + i) % len(jobs)], workers=1 + (number + i) % 4) for i in range(40))

    assert all(in_threads(8, calls))


def first_calls():
    """Nothing is compiled, loaded or started yet when all threads make their first call."""
    rng = np.random.default_rng(6)
    image = rng.random((60, 70), np.float32)
    calls = fastsep.sobel, partial(fastsep.apply_hysteresis_threshold, low=0.4, high=0.9)
    results = in_threads(8, lambda number: calls[number % 2](image))
    for number, result in enumerate(results):
        assert same_bits(result, calls[number % 2](image, workers=1))


def executor():
    """Filters of images from tiny to large."""
    jobs = [job for scale in (1, 4, 9) for job in work(scale=scale)]
    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(right, jobs * 2))


def beside_numba():
    """The user runs a parallel loop of Numba's all the time, from before the first call."""
    from numba import njit, prange

    @njit(parallel=True, nogil=True)
    def total(values):
        result = 0.0
        for i in prange(len(values)):
            result += values[i]
        return result

    values = np.ones(10_000)
    total(values)
    stop = threading.Event()
    totals = set()

    def loop():
        while not stop.is_set():
            totals.add(total(values))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        jobs = work(FEW)
        assert all(right(jobs[i % len(jobs)], workers=3) for i in range(400))
    finally:
        stop.set()
        thread.join()
    assert totals == {10_000.0}


def forget_kernel(module):
    """Let kernels of a module be compiled anew, as if the cache did not have them."""
    load = jit._load
    for key in [key for key in jit._addresses if key[0] == module]:
        del jit._addresses[key]
    jit._load = lambda key: None if key[0] == module else load(key)
    fastsep.clear_caches()


def child_calls(number):
    """In a child: kernels that the parent has run."""
    signal.alarm(280)  # a child that hangs dies of it
    jobs = work(FEW)
    assert all(right(job, workers=4) for job in jobs)
    assert fastsep.get_num_threads() == 1
    return number


def child_work(number):
    """In a child: the same, and a kernel that nobody has compiled."""
    child_calls(number)
    forget_kernel("within")
    assert quick_call(("float32", "float64")[number % 2])


def in_child(number):
    child_work(number)
    assert fastsep.show_config()["threads"] == "1"


def run_children(count, target):
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=target, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    codes = [child.exitcode for child in children]
    assert codes == [0] * count, codes


def fork():
    jobs = work()
    assert all(right(job, workers=4) for job in jobs)
    run_children(2, in_child)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(child_calls, range(2)) == list(range(2))
    assert all(right(job, workers=4) for job in jobs)


def fork_before_parallel():
    """The parent has made serial calls only."""
    assert fastsep.box(np.ones((4, 4)), 3, workers=1)[1, 1] == 1
    run_children(1, in_child)


def fork_while_others_work():
    """Threads compile, load and run kernels while the process forks again and again."""
    stop = threading.Event()
    jobs = work(FEW)

    def compile_all():
        while not stop.is_set():
            forget_kernel("sweep")
            fastsep.roberts_pos_diag(np.zeros((3, 3)))

    def call_all():
        while not stop.is_set():
            assert all(right(job, workers=3) for job in jobs)

    with ThreadPoolExecutor(2) as threads:
        busy = [threads.submit(compile_all), threads.submit(call_all)]
        try:
            for pause in (0.0, 0.3):
                time.sleep(pause)
                run_children(2, child_work)
        finally:
            stop.set()
        for each in busy:
            each.result()
    assert all(right(job, workers=4) for job in jobs)


def fork_while_a_thread_gets_ready():
    """A thread is about to load a kernel, for each operation in turn, when the process forks."""
    parent, load = os.getpid(), jit.kernel

    def wait(*key):
        if os.getpid() == parent and threading.current_thread() is not threading.main_thread():
            waits.set()
            assert forked.wait(250)
        return load(*key)

    jobs = work(NAMES)
    jit.kernel = wait
    for job in jobs:
        waits, forked = threading.Event(), threading.Event()
        fastsep.clear_caches()
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(right, job)
            try:
                assert waits.wait(60)
                run_children(1, lambda _, job=job: call_in_time(job))
            finally:
                forked.set()
            assert first.result()


def call_in_time(job):
    signal.alarm(60)  # a child that hangs dies of it
    assert right(job, workers=4)


IMAGE, KERNEL = np.random.default_rng(7).random((130, 140), np.float32), np.random.default_rng(8).random((9, 11))


def calls(workers):
    """Of bands, of bands in several stages, and of tasks in Python."""
    return [
        fastsep.gaussian(IMAGE, workers=workers),
        fastsep.canny(IMAGE, workers=workers),
        fastsep.correlate(IMAGE, KERNEL, method="fft", workers=workers),
    ]


def first_use_at_exit():
    """In an exit handler."""
    atexit.register(lambda: check(calls(3), calls(1)))


def first_use_at_exit_without_threads():
    """In an exit handler as of Python 3.12 and later, where no thread can be started then."""

    def refuse(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    _pool.start_new_thread = refuse
    first_use_at_exit()


def use_after_the_last_import():
    """In a finalizer that runs when the interpreter ends: nothing can be imported, and threads do not come back."""

    class Last:
        def __init__(self):
            self.expected = self.call()

        def call(self):
            return fastsep.gaussian(IMAGE, workers=3), fastsep.canny(IMAGE, workers=3)

        def __del__(self):
            check(self.call(), self.expected)

    last = Last()
    last.itself = last  # so that it is found no sooner


def use_by_a_thread_to_the_end():
    """By a thread that nobody waits for."""
    begun = threading.Event()

    def work():
        while True:
            fastsep.gaussian(IMAGE, workers=3)
            fastsep.canny(IMAGE, workers=3)
            begun.set()

    threading.Thread(target=work, daemon=True).start()
    assert begun.wait(60)


def check(results, expected):
    for result, wanted in zip(results, expected, strict=True):
        assert same_bits(result, wanted)


# ---- tests


def test_eight_threads_at_once():
    run("eight_threads")


def test_eight_first_calls_at_once(tmp_path):
    run("first_calls", FASTSEP_CACHE_DIR=str(tmp_path))


def test_an_executor_with_images_of_all_sizes():
    run("executor")


def test_beside_a_parallel_loop_of_numba():
    run("beside_numba", NUMBA_THREADING_LAYER="workqueue")  # it ends the process if two threads run loops at a time


@forks
def test_forked_children():
    run("fork")


@forks
def test_children_of_a_parent_that_made_no_parallel_call():
    run("fork_before_parallel")


@forks
def test_a_fork_while_a_thread_gets_ready():
    run("fork_while_a_thread_gets_ready")


@forks
@pytest.mark.slow
def test_a_fork_while_threads_compile_and_run():
    run("fork_while_others_work")


def test_an_exit_handler_may_filter_where_it_may_start_no_threads():
    run("first_use_at_exit_without_threads")


@pytest.mark.slow
def test_the_first_use_in_an_exit_handler_may_compile_or_load(tmp_path):
    for _ in range(2):
        run("first_use_at_exit", FASTSEP_CACHE_DIR=str(tmp_path))


def test_finalizers_may_filter_when_the_interpreter_ends():
    run("use_after_the_last_import")


def test_a_thread_may_filter_until_the_process_is_gone():
    run("use_by_a_thread_to_the_end")


# gevent puts greenlets in the place of threads. They run only when the thread that started them waits: here, never.
REPLACED = """
import sys, threading, _thread

def replace():
    _thread.start_new_thread = threading._start_new_thread = lambda *_: 0
    threading.Thread.start = lambda thread: None

def start(when):
    if sys.argv[1] == when:
        replace()

start("before the import")
import numpy as np
import fastsep
from fastsep._engine import bands
from fastsep._kernels import native_threads

start("after the import")
image, kernel = np.random.default_rng(0).random((130, 140), np.float32), np.ones((9, 11))
expected = fastsep.correlate(image, kernel, method="fft", workers=1)
if sys.argv[1] == "after the first use":
    fastsep.correlate(image, kernel, method="fft", workers=3)
start("after the first use")
assert fastsep.correlate(image, kernel, method="fft", workers=3).tobytes() == expected.tobytes()

locks = [native_threads.allocate_lock() for _ in range(2)]
for lock in locks:
    lock.acquire()
met = []

def meet(number):
    locks[number].release()
    met.append(locks[1 - number].acquire(timeout=60))

bands.run_tasks(meet, 2, 2)  # two threads, or nobody meets
print(met)
"""


@pytest.mark.parametrize("when", ["before the import", "after the import", "after the first use"])
def test_helpers_are_threads_where_something_else_is_put_in_their_place(when):
    done = subprocess.run([sys.executable, "-c", REPLACED, when], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[True, True]\n", done.stderr


def test_threads_and_locks_are_the_interpreters_own(monkeypatch):
    def refuse(*_):
        raise AssertionError("replaced")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    monkeypatch.setattr(_thread, "allocate_lock", refuse)
    native = native_threads._as_built()
    done = native.allocate_lock()
    done.acquire()
    native.start_new_thread(done.release, ())
    assert done.acquire(timeout=60)


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
import numpy as np
import fastsep

image = np.random.default_rng(0).random((130, 140), np.float32)
pool = gevent.get_hub().threadpool
calls = [pool.spawn(fastsep.gaussian, image, 1, workers=2) for _ in range(4)] + [gevent.spawn(fastsep.gaussian, image)]
print(all(call.get(timeout=200).shape == image.shape for call in calls))
"""


def test_the_first_calls_from_the_threads_of_gevent_wait_for_one_compiler(tmp_path):
    pytest.importorskip("gevent")
    environment = {**os.environ, "FASTSEP_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", GEVENT], capture_output=True, text=True, timeout=300, env=environment)
    assert done.stdout == "True\n", done.stderr


@pytest.fixture
def bands(monkeypatch, small_images_go_parallel):
    """How many bands each parallel call was cut into, where they are not worth more than one for each thread."""
    counts = []
    run_bands = _pool.Pool.run

    def count(pool, kernel, block, stride, bands, threads):
        counts.append(bands)
        run_bands(pool, kernel, block, stride, bands, threads)

    monkeypatch.setattr(_bands, "_threads", None)
    monkeypatch.setattr(_pool.Pool, "run", count)
    monkeypatch.setattr(tuning, "BANDS_A_THREAD", 1)
    return counts


def test_workers_and_set_num_threads_are_what_is_used(bands, rng):
    image = rng.random((50, 40), np.float32)
    fastsep.sobel(image, workers=1)
    assert bands == []
    for count in (2, 3, 7):
        fastsep.sobel(image, workers=count)
        assert bands.pop() == count
        fastsep.set_num_threads(count)
        assert fastsep.get_num_threads() == count
        fastsep.sobel(image)
        assert bands.pop() == count
    fastsep.sobel(image, workers=2)  # stronger than set_num_threads
    assert bands.pop() == 2
    fastsep.set_num_threads(1)
    fastsep.sobel(image)
    assert bands == []


def test_no_more_bands_than_rows(bands, rng):
    fastsep.sobel(rng.random((3, 40)), workers=100)
    assert bands == [3]


def test_the_default_is_counted_once_and_set_num_threads_is_stronger(monkeypatch):
    monkeypatch.setattr(_bands, "_threads", None)
    monkeypatch.setenv("FASTSEP_NUM_THREADS", "5")
    assert fastsep.get_num_threads() == 5
    monkeypatch.setenv("FASTSEP_NUM_THREADS", "4")
    assert fastsep.get_num_threads() == 5
    fastsep.set_num_threads(3)
    assert fastsep.get_num_threads() == 3


@pytest.fixture
def started_threads(monkeypatch):
    """The threads that a new pool starts."""
    started, start = [], _pool.start_new_thread

    def count(function, arguments):
        started.append(function)
        return start(function, arguments)

    monkeypatch.setattr(_pool, "start_new_thread", count)
    monkeypatch.setattr(_bands, "_pool", _pool.Pool(16))
    return started


def test_one_worker_starts_no_thread(bands, started_threads, rng):
    fastsep.gaussian(rng.random((90, 80)), workers=1)
    fastsep.correlate(rng.random((90, 80)), rng.random((9, 9)), method="fft", workers=1)
    assert not started_threads


def test_no_more_threads_are_started_than_asked_for(bands, started_threads, rng):
    image = rng.random((90, 80))
    for workers in (2, 4, 3, 4):
        fastsep.gaussian(image, workers=workers)
    assert len(started_threads) == 3  # the caller is the fourth


@pytest.mark.parametrize(
    ("work", "awake", "threads"),
    [
        (0, 3, 1),
        (1.9, 3, 1),  # not worth it
        (2, 3, 2),
        (3.5, 3, 3),
        (15, 3, 4),
        (15, 1, 2),  # with those who are awake
        (15, 0, 1),
        (20, 0, 2),  # worth waking helpers
        (39, 0, 3),
        (39, 3, 4),
        (1000, 0, 8),
        (float("inf"), 0, 8),
    ],
)
def test_the_number_of_threads_follows_the_work_and_who_is_awake(work, awake, threads, monkeypatch):
    monkeypatch.setattr(tuning, "SHARED_WORK", 1.0)
    monkeypatch.setattr(tuning, "WOKEN_WORK", 10.0)
    monkeypatch.setattr(_bands, "_MOST_THREADS", 8)
    monkeypatch.setattr(_bands._pool, "helpers", lambda wanted, outlasts: min(awake, wanted))
    assert _bands.threads_for(work, 100) == threads
    assert _bands.threads_for(work, 1) == 1
    assert _bands.threads_for(work, 3) == min(threads, 3)


@pytest.mark.parametrize(
    "call",
    [
        fastsep.gaussian,
        fastsep.sobel,
        fastsep.canny,
        lambda image: fastsep.correlate_bank(image, np.ones((3, 5, 5)), method="separable"),
        lambda image: fastsep.conv2d(image[..., None], np.ones((3, 3, 1, 4), image.dtype)),
    ],
    ids=["gaussian", "sobel", "canny", "bank", "layer"],
)
def test_float64_is_worth_twice_the_threads_of_float32(call, monkeypatch):
    works = []
    replace_everywhere(monkeypatch, _bands.threads_for, lambda work, workers: works.append(work) or 1)
    for dtype in (np.float32, np.float64):
        call(np.ones((40, 50), dtype))
    single, double = works[0], works[len(works) // 2]
    assert double == 2 * single


def test_a_short_call_beside_a_parallel_one_is_not_cut(monkeypatch):
    pool = _pool.Pool(4)
    pool._word[words.AWAKE] = 3
    monkeypatch.setattr(_bands, "_pool", pool)
    work = 2 * tuning.SHARED_WORK
    assert _bands.threads_for(work, 2) == 2
    with _bands._pool.lock:
        assert _bands.threads_for(work, 2) == 1


if __name__ == "__main__":
    cut_all_images()  # small ones, too
    globals()[sys.argv[1]]()
    say("done")
