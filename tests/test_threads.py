"""Promise: no crash and no wrong pixel by threads or forks.

Calls from many threads, on Numba's threading layers and on the pool, and from forked children, give
what a serial call gives. What can end or hang a process runs as a script in one of its own.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import CASES, finish_script, forget, make_image, same_bits, say, start_script

import fastsep
from fastsep import _run
from fastsep._kernels import jit

forks = pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork")
# What starts the process, the environment, and what then runs bands in parallel.
LAYERS = {
    "omp": (("numba",), {"NUMBA_THREADING_LAYER": "omp"}, ("omp",) if sys.platform == "linux" else ("omp", "pool")),
    "workqueue": (("numba",), {"NUMBA_THREADING_LAYER": "workqueue"}, ("pool",)),
    "no numba": ((), {}, ("pool",)),
}
layers = pytest.mark.parametrize("layer", LAYERS)
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


def run(scenario, layer, *, compiles=False, **environment):
    """Run a scenario; if it `compiles`, Numba and its layer may come in on the way."""
    modules, variables, expected = LAYERS[layer]
    if compiles and not modules:
        expected = ("omp", "tbb", "pool")
    process = start_script(__file__, scenario, *modules, **variables, **environment)
    status, output = finish_script(process)
    assert status == 0, f"exit status {status}\n{output}"
    assert output.split()[-2] in expected, output
    assert output.split()[-1] == "done", output


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
    results = in_threads(8, lambda number: fastsep.sobel(image) if number % 2 else fastsep.box(image, 5))
    for number, result in enumerate(results):
        expected = fastsep.sobel(image, workers=1) if number % 2 else fastsep.box(image, 5, workers=1)
        assert same_bits(result, expected)


def executor():
    """Filters of images from tiny to large."""
    jobs = [job for scale in (1, 4, 9) for job in work(scale=scale)]
    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(right, jobs * 2))


def beside_numba():
    """Somebody else runs a parallel loop of Numba's all the time, from before the first call."""
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
    forget()


def child_work(number):
    """In a child: kernels that the parent has run, and one that nobody has compiled."""
    signal.alarm(100)  # a child that hangs dies of it
    jobs = work(FEW)
    assert all(right(job, workers=4) for job in jobs)
    forget_kernel("sweep")
    image = np.array([[3, 5, 0], [1, 9, 2]], np.uint8)
    compiled = fastsep.roberts_pos_diag(image, dtype=("int16", "uint16")[number % 2])
    assert compiled[0].tolist() == [6, 0 if number % 2 else -3, 2]
    assert fastsep.get_num_threads() == 1
    return number


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
    assert [child.exitcode for child in children] == [0] * count


def fork():
    jobs = work()
    assert all(right(job, workers=4) for job in jobs)
    run_children(2, in_child)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(child_work, range(4)) == list(range(4))
    assert all(right(job, workers=4) for job in jobs)


def fork_before_parallel():
    """The parent has made serial calls only; if Numba is loaded, it has run a parallel loop of its own."""
    if "numba" in sys.modules:
        from numba import njit, prange

        @njit(parallel=True)
        def fill(values):
            for i in prange(len(values)):
                values[i] = i

        fill(np.empty(1000))
    assert fastsep.box(np.ones((4, 4)), 3, workers=1)[1, 1] == 1
    run_children(2, in_child)


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


def few_threads():
    image = np.ones((90, 80))
    for workers in (2, 4, 3, 4):
        fastsep.gaussian(image, workers=workers)
    assert threading.active_count() == 4  # the caller's is one of them


# ---- tests


@layers
def test_eight_threads_at_once(layer):
    run("eight_threads", layer)


@layers
def test_eight_first_calls_at_once(layer, tmp_path):
    run("first_calls", layer, compiles=True, FASTSEP_CACHE_DIR=str(tmp_path))


@layers
def test_an_executor_with_images_of_all_sizes(layer):
    run("executor", layer)


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_beside_a_parallel_loop_of_somebody_else(layer):
    run("beside_numba", layer)


@forks
@layers
def test_forked_children(layer):
    run("fork", layer)


@forks
@layers
def test_children_of_a_parent_that_made_no_parallel_call(layer):
    run("fork_before_parallel", layer)


@forks
@layers
def test_a_fork_while_threads_compile_and_run(layer):
    run("fork_while_others_work", layer, compiles=True)


@pytest.fixture
def bands(monkeypatch):
    """How many bands each parallel call was cut into."""
    counts = []
    run_bands = _run.Pool.run

    def count(pool, band, address, number, threads):
        counts.append(number)
        run_bands(pool, band, address, number, threads)

    monkeypatch.setattr(_run, "LOOP_WORK", 0.0)
    monkeypatch.setattr(_run, "POOL_WORK", 0.0)
    monkeypatch.setattr(_run, "_driver", lambda: None)
    monkeypatch.setattr(_run, "_threads", None)
    monkeypatch.setattr(_run.Pool, "run", count)
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


def test_the_environment_limits_the_default(bands, monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 6)
    for value, expected in (("", 6), ("2", 2), ("64", 6), ("0", 6), ("many", 6)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        monkeypatch.setattr(_run, "_threads", None)
        assert fastsep.get_num_threads() == expected


def test_one_worker_starts_no_thread(bands, rng):
    before = threading.active_count()
    fastsep.gaussian(rng.random((90, 80)), workers=1)
    assert threading.active_count() == before


def test_the_pool_starts_no_more_threads_than_asked_for():
    run("few_threads", "no numba")


if __name__ == "__main__":
    if "numba" in sys.argv[2:]:
        import numba  # noqa: F401
    _run.LOOP_WORK = _run.POOL_WORK = 0.0  # small images are cut, too
    globals()[sys.argv[1]]()
    say(_run.threading_layer(), "done")
