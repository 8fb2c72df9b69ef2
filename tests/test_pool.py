"""The pool of threads that runs bands, and tasks in Python."""

import ctypes
import itertools
import math
import random
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from fastsep._engine import memory, placement
from fastsep._engine import pool as _pool
from fastsep._engine.pool import Pool
from fastsep._kernels import arguments, jit
from fastsep._kernels.pool import words
from fastsep._plan import tuning
from fastsep._plan.tuning import IN_A_ROW, RING_LATER, RING_SOON

MOST = 8


def run(pool, function, bands, threads, block=0, stride=0):
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
        pool.run(ctypes.cast(kernel, ctypes.c_void_p).value, block, stride, bands, threads)
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
        # Nobody passes alone. A helper looks for a moment, then it sleeps.
        both = threading.Barrier(2, timeout=30)
        run(pool, lambda _, __, both=both: both.wait(), 2, 2)
        time.sleep(times.choice([0, 2e-5, 5e-5, 8e-5, 1e-3]))


def test_more_helpers_join_when_they_are_asked_for():
    pool = Pool(MOST)
    for threads in (2, 5, 3, 6):
        together = threading.Barrier(threads, timeout=30)
        run(pool, lambda _, __, together=together: together.wait(), threads, threads)


def test_each_thread_has_an_argument_block_and_scratch_memory_of_its_own():
    pool, stride = Pool(MOST), memory.BLOCK_BYTES + 128
    words = np.zeros(3 * stride // 8, np.int64)
    block = words.ctypes.data
    words[: arguments.BLOCK_WORDS] = range(arguments.BLOCK_WORDS)
    words[arguments.SCRATCH] = block + memory.BLOCK_BYTES
    for _ in range(3):
        seen = {}
        together = threading.Barrier(3, timeout=60)

        def band(own, number, seen=seen, together=together):
            if number < 3:
                together.wait()
            given = np.ctypeslib.as_array((ctypes.c_int64 * arguments.BLOCK_WORDS).from_address(own)).copy()
            assert given[arguments.SCRATCH] == own + memory.BLOCK_BYTES
            given[arguments.SCRATCH] = arguments.SCRATCH
            assert given.tolist() == list(range(arguments.BLOCK_WORDS))
            seen.setdefault(threading.get_ident(), set()).add((own - block) // stride)

        run(pool, band, 20, 3, block, stride)
        assert sorted(number for numbers in seen.values() for number in numbers) == [0, 1, 2]
        assert seen[threading.get_ident()] == {0}


def test_no_more_threads_run_bands_than_the_call_asks_for():
    pool = Pool(MOST)
    together = threading.Barrier(6, timeout=60)
    run(pool, lambda _, __: together.wait(), 6, 6)  # five helpers look for calls now
    seen = set()
    run(pool, lambda _, __: (seen.add(threading.get_ident()), time.sleep(1e-3)), 40, 2)
    assert len(seen) <= 2


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


@pytest.fixture
def sigint():
    """SIGINT raises KeyboardInterrupt, also where whoever started the tests lets it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_call_waits_for_the_bands_at_work_and_the_next_one_runs_all(sigint, monkeypatch):
    caller = threading.current_thread()
    for _ in range(5):
        pool = Pool(MOST)  # whose one helper is the only one that can be awake
        helping, interrupted, waiting, done = threading.Event(), threading.Event(), threading.Event(), []

        def band(_, number, helping=helping, waiting=waiting, done=done):
            if threading.current_thread() is caller:
                assert helping.wait(60)  # so that somebody helps
            else:
                helping.set()
                assert waiting.wait(60)
                done.append(number)

        def nap(_, interrupted=interrupted, waiting=waiting):
            """In place of the caller's sleep: Ctrl-C in the first, and the helper goes on in the next."""
            if interrupted.is_set():
                waiting.set()
            else:
                interrupted.set()
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(_pool, "sleep", nap)
        # The arrays of a call may be freed as soon as it is left.
        with pytest.raises(KeyboardInterrupt):
            run(pool, band, 2, 2)
        assert len(done) == 1
        monkeypatch.undo()
        seen = []
        run(pool, lambda _, number, seen=seen: seen.append(number), 3, 3)
        assert sorted(seen) == [0, 1, 2]


def test_interrupted_tasks_leave_no_thread_at_work(sigint):
    pool, caller = Pool(MOST), threading.current_thread()
    helping, interrupted, done = threading.Event(), threading.Event(), []

    def task(number):
        if threading.current_thread() is caller:
            assert helping.wait(60)
            interrupted.set()
            signal.raise_signal(signal.SIGINT)
        else:
            helping.set()
            assert interrupted.wait(60)
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        pool.run_tasks(task, 2, 2)
    assert len(done) == 1


# In calls of some microseconds, one behind the other, a signal comes wherever it may: about one in forty between taking
# the lock of the pool and the call, if that is possible.
INTERRUPTED = """
import faulthandler
import signal
import numpy as np
import fastsep
from fastsep._engine import bands
from fastsep._kernels.pool.words import INSIDE
from fastsep._plan import tuning

class Interrupt(Exception):
    pass

def interrupt(*_):
    global came
    came = True
    raise Interrupt

faulthandler.dump_traceback_later(240, exit=True)  # whoever waits in vain says where
tuning.SHARED_WORK = tuning.WOKEN_WORK = tuning.BAND_WORK = 1e-9
image = np.random.default_rng(0).random((64, 64), np.float32)
expected = fastsep.gaussian(image, 1, workers=1)
fastsep.gaussian(image, 1, workers=2)
signal.signal(signal.SIGALRM, interrupt)
for number in range(2000):
    came = False
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-5 + 1e-7 * (number % 500))
        while not came:  # Python drops what is raised in a finalizer
            fastsep.gaussian(image, 1, workers=2)
    except Interrupt:
        pass
    assert not bands._pool.lock.locked(), number
    assert bands._pool._word[INSIDE] == 0, number  # nobody runs bands
assert np.array_equal(fastsep.gaussian(image, 1, workers=2), expected)
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_interrupts_leave_the_pool_free_and_idle():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=300)
    assert done.stdout == "done\n", done.stderr


def refuse(*_):
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("start", [refuse, lambda *_: 0], ids=["refused", "never comes"])
def test_calls_run_alone_where_no_thread_comes(start, monkeypatch):
    monkeypatch.setattr(_pool, "start_new_thread", start)
    pool, seen = Pool(MOST), []
    run(pool, lambda _, number: seen.append(number), 5, 3)
    pool.run_tasks(seen.append, 5, 3)
    assert seen == [0, 1, 2, 3, 4] * 2


def test_bands_and_tasks_share_the_threads(monkeypatch):
    started, start = [], _pool.start_new_thread
    monkeypatch.setattr(_pool, "start_new_thread", lambda *given: (started.append(given), start(*given)))
    pool = Pool(MOST)
    for _ in range(3):
        both = threading.Barrier(3, timeout=60)
        run(pool, lambda _, __, both=both: both.wait(), 3, 3)
        pool.run_tasks(lambda _, both=both: both.wait(), 3, 3)
    assert len(started) == 2


def test_tasks_run_once_each_and_the_first_exception_ends_them():
    pool, seen = Pool(MOST), []
    for threads in (1, 2, 5):
        seen.clear()
        pool.run_tasks(seen.append, 20, threads)
        assert sorted(seen) == list(range(20))

    def fail(number):
        seen.append(number)
        time.sleep(1e-3)
        raise ValueError(number)

    seen.clear()
    with pytest.raises(ValueError, match=r"\d"):
        pool.run_tasks(fail, 50, 3)
    assert len(seen) <= 3


# ---- placement


@pytest.fixture
def cores(monkeypatch):
    """A machine whose cores 1, 3 and 5 the process may use, and a caller on core 3; what helpers are told."""
    told = []
    monkeypatch.setattr(placement, "current_core", lambda: 3)
    monkeypatch.setattr(placement.os, "sched_getaffinity", lambda thread: {1, 3, 5}, raising=False)
    choose = lambda thread, cores: told.append((thread, set(cores)))  # noqa: E731
    monkeypatch.setattr(placement.os, "sched_setaffinity", choose, raising=False)
    return told


def test_helpers_are_kept_off_the_core_of_the_caller_until_it_sleeps(cores):
    place = placement.Placement()
    place.add_this_thread()
    me = threading.get_native_id()
    place.keep_off()
    place.keep_off()  # nothing new
    assert cores == [(me, {1, 5})]
    place.set_free()
    place.set_free()
    assert cores[1:] == [(me, {1, 3, 5})]
    place.keep_off()
    assert cores[2:] == [(me, {1, 5})]


def test_helpers_keep_their_own_cores_whoever_calls(cores, monkeypatch):
    """A caller that may use few cores does not confine them, nor do helpers leave those that they were started on."""
    place = placement.Placement()
    place.add_this_thread()
    for caller in ({3}, {3, 5}, {1, 3, 5, 7}):
        monkeypatch.setattr(placement.os, "sched_getaffinity", lambda thread, caller=caller: caller)
        cores.clear()
        place.keep_off()
        place.set_free()
        assert [told for _, told in cores] == [{1, 5}, {1, 3, 5}]


@pytest.mark.parametrize("allowed", [{3}, set(range(tuning.FEW_CORES + 1))], ids=["one", "many"])
def test_helpers_stay_where_they_are_on_one_core_or_on_many(allowed, cores, monkeypatch):
    monkeypatch.setattr(placement.os, "sched_getaffinity", lambda thread: allowed)
    place = placement.Placement()
    place.add_this_thread()
    place.keep_off()
    place.set_free()
    assert cores == []


def test_a_system_that_lets_nobody_choose_is_no_trouble(cores, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(placement.os, "sched_setaffinity", refuse)
    run(Pool(MOST), lambda _, __: None, 8, 2)
    monkeypatch.setattr(placement, "current_core", None)
    run(Pool(MOST), lambda _, __: None, 8, 2)


def test_a_caller_that_sleeps_frees_its_core_for_helpers(cores, monkeypatch):
    pool, caller, asleep, helping = Pool(MOST), threading.current_thread(), threading.Event(), threading.Event()

    def band(_, number):
        if threading.current_thread() is caller:
            assert helping.wait(60)
        else:
            helping.set()
            assert asleep.wait(60)

    both = threading.Barrier(2, timeout=60)
    run(pool, lambda _, __: both.wait(), 2, 2)  # starts the helper
    monkeypatch.setattr(_pool, "sleep", lambda _: asleep.set())
    run(pool, band, 2, 2)
    assert cores[-1][1] == {1, 3, 5}


# ---- waiting


class Clock:
    """A clock in place of the system's, which goes on by `step` whenever it is looked at."""

    def __init__(self, step):
        self.step, self.time, self.looks = step, 0, 0
        self.function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64))(self.tell)
        self.let_run = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)

    def tell(self, which, result):
        assert which == 7
        self.looks += 1
        self.time += self.step
        result[0], result[1] = divmod(self.time, 10**9)
        return 0

    def settings(self, moment, longer=0):
        """As `pool._system`'s, where all wait for `moment`, for calls at work `longer`, and nobody wants the core."""
        clock, let_run = (ctypes.cast(each, ctypes.c_void_p).value for each in (self.function, self.let_run))
        return [clock, 7, let_run, moment, longer, moment, longer]


@pytest.mark.skipif(sys.platform == "win32", reason="another clock")
@pytest.mark.parametrize(("step", "looks"), [(1, 1001), (10, 101), (999, 3), (1000, 2), (700_000_000, 2)])
def test_whoever_waits_in_vain_stops_by_the_clock(step, looks, monkeypatch):
    """Not by the number of looks: they take more or less time, by the CPU."""
    clock = Clock(step)
    monkeypatch.setattr(_pool, "_system", lambda: clock.settings(1000))
    pool = Pool(MOST)
    pool._load()
    _, share, serve = pool._kernels
    serve(jit.UNUSED, jit.UNUSED, pool._address, pool._address + 8 * words.SEEN)
    assert clock.looks == looks
    assert pool._word[words.AWAKE] == 0
    clock.looks = 0
    pool._word[words.INSIDE], pool._word[words.STATE] = 1, words.CLOSED
    share(jit.UNUSED, jit.UNUSED, pool._address, 0)
    assert clock.looks == looks
    assert pool._word[words.STATE] == words.CLOSED  # somebody is still inside
    pool._word[words.INSIDE] = 0
    share(jit.UNUSED, jit.UNUSED, pool._address, 0)
    assert pool._word[words.STATE] == words.DONE


@pytest.mark.skipif(sys.platform == "win32", reason="another clock")
@pytest.mark.parametrize(("over", "sleeps"), [(0, 4_000), (5_000, 6_000), (7_500, 8_500), (math.inf, 9_000)])
def test_a_helper_sleeps_a_moment_after_its_call_is_over(over, sleeps, monkeypatch):
    """Its own band takes until 3,000; the call is over at once, after a while, or not for long."""
    clock = Clock(1)
    monkeypatch.setattr(_pool, "_system", lambda: clock.settings(1_000, 5_000))
    pool = Pool(MOST)
    pool._load()
    word = pool._word

    def tell(which, result):
        if clock.time >= over:
            word[words.STATE] = words.DONE
        return clock.tell(which, result)

    def band(*_):
        clock.time = 3_000
        return 0

    looks, kernel = type(clock.function)(tell), jit.BAND(band)
    word[words.CLOCK], word[words.KERNEL] = (ctypes.cast(each, ctypes.c_void_p).value for each in (looks, kernel))
    word[words.BANDS], word[words.THREADS], word[words.OPEN], word[words.POSTED] = 1, 2, 1, 1
    word[words.STATE] = words.CLOSED
    pool._kernels[2](jit.UNUSED, jit.UNUSED, pool._address, pool._address + 8 * words.SEEN)
    assert abs(clock.time - sleeps) < 5  # looks, one at each unit of time


@pytest.mark.skipif(sys.platform == "win32", reason="another clock")
@pytest.mark.parametrize(
    ("bands", "took", "waited"), [(1, 100, 1_000), (1, 2_000, 2_000), (4, 8_000, 2_000), (1, 9_000, 5_000)]
)
def test_a_caller_waits_for_helpers_as_long_as_one_of_its_bands_took(bands, took, waited, monkeypatch):
    clock = Clock(1)
    monkeypatch.setattr(_pool, "_system", lambda: clock.settings(1_000, 5_000))
    pool = Pool(MOST)
    pool._load()

    def band(*_):
        clock.time += took // bands
        return 0

    function = jit.BAND(band)
    word = pool._word
    word[words.KERNEL] = ctypes.cast(function, ctypes.c_void_p).value
    word[words.BANDS], word[words.STATE], word[words.INSIDE] = bands, words.OPENED, 1
    pool._kernels[1](jit.UNUSED, jit.UNUSED, pool._address, 0)
    assert word[words.STATE] == words.CLOSED  # somebody is still inside
    assert abs(clock.time - took - waited) < 5  # looks, one at each unit of time


def test_the_clock_is_the_systems():
    clock, which, let_run, wait, _, look, _ = _pool._system()
    assert clock
    assert let_run
    assert wait > 0
    assert look > 0
    if sys.platform != "win32":
        assert which == time.CLOCK_MONOTONIC
        assert (wait, look) == (tuning.CALLERS_WAIT * 1e9, tuning.HELPERS_LOOK * 1e9)


def test_sleeping_helpers_are_rung_for_a_row_of_short_calls_and_seldom_if_that_was_in_vain(monkeypatch):
    pool, rung, moments = Pool(MOST), [], itertools.count()
    monkeypatch.setattr(pool, "_ring", rung.append)
    monkeypatch.setattr(_pool, "perf_counter", lambda: next(moments) * IN_A_ROW / 2)

    def calls(number, outlasts=False):
        rung.clear()
        found = {pool.helpers(2, outlasts) for _ in range(number)}
        return found, rung

    assert calls(1) == ({0}, [2])
    assert calls(RING_LATER - 1) == ({0}, [])
    assert calls(1) == ({0}, [2])
    pool._word[words.AWAKE] = 2
    assert calls(5) == ({2}, [])
    pool._word[words.AWAKE] = 1  # as many as there are
    assert calls(RING_SOON) == ({1}, [2])
    pool._word[words.AWAKE] = 9
    assert calls(1) == ({2}, [])
    # Calls that take so long that nobody can be woken ahead of the next have sleeping helpers themselves.
    pool._word[words.AWAKE] = 0
    assert calls(RING_SOON, outlasts=True) == ({2}, [])
    assert calls(RING_LATER - 1, outlasts=True) == ({0}, [])
    # Calls far apart never ring.
    monkeypatch.setattr(_pool, "perf_counter", lambda: next(moments) * IN_A_ROW * 2)
    assert calls(3 * RING_LATER) == ({0}, [])


def test_helpers_rung_ahead_of_a_call_wait_for_it(monkeypatch):
    pool = Pool(MOST)
    monkeypatch.setattr(_pool, "perf_counter", lambda: IN_A_ROW / 2)
    for _ in range(RING_SOON):
        pool.helpers(1, False)
    end = time.monotonic() + 60
    while not pool._bells[0].locked() and time.monotonic() < end:  # it has heard
        time.sleep(1e-3)
    both = threading.Barrier(2, timeout=60)
    run(pool, lambda _, __: both.wait(), 2, 2)


# Compiles the pool's code for ARM: of what an intrinsic emits there, this CPU's code generator knows nothing, so that
# it stands as a call of a function until then.
ON_ARM = r"""
import dataclasses
import llvmlite.binding as llvm
from numba import njit
from fastsep._kernels import jit
from fastsep._kernels.pool import atomic

arm = dataclasses.replace(jit.target(), triple="aarch64-unknown-linux-gnu")
declare = atomic.declare
atomic.target = lambda: arm
atomic.declare = lambda module, kind, name: declare(module, kind, name.replace("llvm.aarch64", "arm"))
llvm.add_symbol("arm.isb", jit.UNUSED)
from fastsep._kernels.pool import loop

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
machine = llvm.Target.from_triple(arm.triple).create_target_machine()
for role in ("share", "serve"):
    compiled = njit("void(int64, int64)", no_cpython_wrapper=True, no_cfunc_wrapper=True)(loop.build(role))
    (result,) = compiled.overloads.values()
    lines = result.library.get_llvm_str().replace("arm.isb", "llvm.aarch64.isb").splitlines()
    module = llvm.parse_assembly("\n".join(line for line in lines if not line.startswith("target ")))
    module.triple, module.data_layout = arm.triple, str(machine.target_data)
    print("----", machine.emit_assembly(module))
"""


def test_waiting_loops_pause_on_arm():
    """`isb` in the loops of whoever looks for a call, and of whoever waits for helpers."""
    done = subprocess.run([sys.executable, "-c", ON_ARM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    _, *roles = done.stdout.split("----")
    assert len(roles) == 2
    for assembly in roles:
        functions = re.findall(r"\.cfi_startproc.*?\.cfi_endproc", assembly, re.DOTALL)
        waiting = [function.split("\tisb\n") for function in functions if "\tisb\n" in function]
        assert waiting
        for before, behind in waiting:
            assert set(re.findall(r"^(\.L\w+):", before, re.MULTILINE)) & set(re.findall(r"\.L\w+", behind))  # a loop
