"""Compiling ahead: what is compiled, by whom, and what a program's log hears of it."""

import logging
import os
import re
import subprocess
import sys
import threading
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import assert_refused, finish_script, say, start_script

import fastsep
from fastsep.__main__ import main
from fastsep._engine import warmup
from fastsep._kernels import cache, jit
from fastsep._kernels.compile import builder

PACKAGE = Path(fastsep.__file__).parent
QUICK = [("within", "float32"), ("within", "float64"), ("loop", "post"), ("loop", "serve")]


def run(*arguments, **environment):
    """Run this file as a script; its output by lines."""
    status, output = finish_script(start_script(__file__, *arguments, PYTHONPATH=str(PACKAGE.parent), **environment))
    assert status == 0, output
    return output.splitlines()


# ---- what


def calls(group, dtype):
    """Calls of a group on images of a dtype, with their defaults."""
    rng = np.random.default_rng(4)
    image = (rng.random((120, 160)) * 200).astype(dtype)
    colours = np.stack([image] * 3, -1)
    volume = image.reshape(12, 40, 40)
    kernel, lines = rng.standard_normal((7, 7)), ([1.0, 2.5, 1.0, 4.0], [1.0, 3.0, 1.5])
    maps = (rng.random((40, 40, 32)) * 200).astype(dtype)
    floating = "float64" if dtype == "float64" else "float32"
    depth, points, full = (
        rng.standard_normal(shape).astype(floating) for shape in ((3, 3, 32, 1), (32, 16), (3, 3, 3, 16))
    )
    masked, gone = np.ma.masked_less(image, 10), {"nan": "ignore"} if dtype.startswith("float") else {"nodata": 3}
    options = [{}] if dtype.startswith("float") else [{}, {"dtype": "float32"}, {"dtype": dtype}]
    floats = [option for option in options if option.get("dtype") != dtype or not option]
    return {
        "filters": [
            *((name, (image,), option) for name in ("gaussian", "sobel", "farid", "sobel_h") for option in options),
            *(("gaussian", (image, 3), option) for option in options),
            *(
                (name, (colours,), {"channel_axis": -1} | option)
                for name in ("gaussian", "sobel")
                for option in options
            ),
            *(("gaussian", (volume,), option) for option in options),
            *(("unsharp_mask", (image,), option) for option in options),
            *(("laplace", (image,), option) for option in options),
            *(("sobel", (volume,), option) for option in floats),
            *(("box", (image, 21), option) for option in options),
            *(("box", (image, 5), option) for option in options if option.get("dtype") == dtype),
        ],
        "missing": [
            *(
                (name, (masked if hidden else image, value), option | ({} if hidden else gone))
                for name, value in (("gaussian", 1), ("gaussian", 2), ("box", 5), ("box", 21))
                for hidden in (False, True)
                for option in floats
            ),
            ("interpolate_missing", (image,), gone),
        ],
        "edges": [
            *((name, (image,), option) for name in ("canny", "gradient") for option in floats),
            *(("gradient", (image,), {"sigma": 1.5} | option) for option in floats),
            *(("gradient", (image,), {"output": "magnitude"} | option) for option in floats),
            *(("gradient", (image,), {"output": "magnitude", "sigma": 1} | option) for option in floats),
            *(
                ("gradient", (image,), {"sigma": 1.5, "output": ("magnitude", "orientation")} | option)
                for option in floats
            ),
            ("apply_hysteresis_threshold", (image, 10, 100), {}),
        ],
        "corners": [
            *((name, (image,), option) for name in ("corner_harris", "corner_shi_tomasi") for option in floats),
            ("structure_tensor", (image,), {}),
            ("hessian_matrix", (image,), {"use_gaussian_derivatives": False}),
        ],
        "correlation": [
            *(("correlate", (image, kernel), option) for option in options),
            *(("separable_filter", (image, lines), option) for option in options),
            *(("correlate_bank", (image, np.stack([kernel] * 3)), option) for option in floats),
        ],
        "morphology": [
            *((name, (image,), {}) for name in ("erosion", "dilation", "closing", "white_tophat", "peak_local_max")),
            *((f"ndimage.{name}", (image, 5), {}) for name in ("minimum_filter", "maximum_filter", "grey_opening")),
        ],
        "ranks": [
            ("median", (image,), {}),
            *(("ndimage.median_filter", (image, size), {}) for size in (3, 5, 15)),
            ("ndimage.percentile_filter", (image, 30, 3), {}),
        ],
        "ndimage": [
            *(("ndimage.gaussian_filter", (image, sigma), {}) for sigma in (1, 3)),
            *((f"ndimage.{name}", (image, 2), {}) for name in ("gaussian_laplace", "gaussian_gradient_magnitude")),
            *(("ndimage.uniform_filter", (image, size), {}) for size in (5, 31)),
            *((f"ndimage.{name}", (image,), {}) for name in ("laplace", "prewitt")),
            *(("ndimage.sobel", (image, axis), {}) for axis in (0, 1)),
            ("ndimage.correlate", (image, kernel), {}),
        ],
        "layers": [
            ("conv2d", (maps[..., :3], full), {}),
            ("depthwise_conv2d", (maps, depth), {"padding": "same"}),
            ("depthwise_conv2d", (maps, depth), {"padding": "same", "stride": 2}),
            ("pointwise_conv2d", (maps, points), {}),
            ("separable_conv2d", (maps, depth, points), {"padding": "same"}),
        ],
    }[group]


def test_common_calls_find_their_kernels_compiled():
    assert run("missing") == ["all"]


def missing():
    """Make the calls with kernels that do nothing: the calls tell which ones they need."""
    import ctypes

    nothing = jit.BAND(lambda *arguments: 0)
    asked = []

    def kernel(*key):
        asked.append(key)
        return ctypes.cast(nothing, ctypes.c_void_p).value

    jit.kernel = kernel
    fastsep.set_num_threads(1)  # threads would wait for what kernels that do nothing never say
    found = []
    for group in warmup.GROUPS:
        for dtype in warmup.DTYPES:
            ready = set(warmup.keys([group], [dtype]))
            for name, arguments, options in calls(group, dtype):
                asked.clear()
                attrgetter(name)(fastsep)(*arguments, **options)
                found += [f"{name} {dtype} {options} {' '.join(key)}" for key in asked if key not in ready]
    say("\n".join(found) or "all")


def test_every_kernel_of_the_list_exists():
    for key in warmup.keys(warmup.GROUPS, warmup.DTYPES):
        assert callable(builder(key[0])(*key[1:])), key


def test_a_choice_compiles_less_and_all_of_them_are_the_default():
    for group in warmup.GROUPS:
        parts = [set(warmup.keys([group], [dtype])) for dtype in warmup.common(group)]
        assert set.union(*parts) == set(warmup.keys([group], None))
        assert all(part < set(warmup.keys(warmup.GROUPS, None)) for part in parts)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"only": "edge"}, r"`only` must be one of filters, missing, edges, .*got 'edge'"),
        ({"only": ["edges", 3]}, "`only` must be one of .*got 3"),
        ({"only": []}, "`only` must be"),
        ({"dtype": "float16"}, "`dtype` must be one of uint8, .*got 'float16'"),
        ({"dtype": [np.complex64]}, "`dtype` must be one of .*complex64"),
        ({"workers": 0}, "`workers`"),
    ],
)
def test_what_there_is_no_kernel_for_is_refused(options, pattern):
    assert_refused(lambda: fastsep.warmup(**options), ValueError, pattern)


@pytest.mark.parametrize("dtype", ["uint8", np.uint8, np.dtype("uint8"), ["uint8"], (np.uint8,)])
def test_dtypes_are_named_as_numpy_does(dtype, monkeypatch):
    asked = []
    monkeypatch.setattr(warmup, "keys", lambda groups, dtypes: asked.append((groups, dtypes)) or [])
    fastsep.warmup(only="edges", dtype=dtype)
    assert asked == [(("edges",), ("uint8",))]


# ---- by whom


@pytest.fixture
def quick(tmp_path, monkeypatch, restart):
    """Four kernels that compile soon, and an empty cache."""
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(warmup, "keys", lambda groups, dtypes: QUICK)
    monkeypatch.setattr(warmup, "FEW", 2)
    return restart()


def test_processes_share_the_kernels_and_this_one_loads_them(quick, tmp_path):
    told = []
    fastsep.warmup(lambda *news: told.append(news), workers=2)
    assert not quick  # none of them here
    assert len(cache.entries()) == len(list(tmp_path.iterdir())) == len(QUICK)
    assert [news[:2] for news in told] == [(done, len(QUICK)) for done in range(len(QUICK) + 1)]
    assert {news[2] for news in told[1:]} == {" ".join(key) for key in QUICK}
    assert {tuple(key) for *key, _ in jit._addresses} == set(QUICK)


@pytest.mark.parametrize("program", ["raise SystemExit", "import sys; sys.stdin.readline(); sys.stdin.readline()"])
def test_what_a_process_does_not_compile_is_compiled_here(program, quick, monkeypatch):
    monkeypatch.setattr(warmup, "_PROGRAM", program)
    told = []
    fastsep.warmup(lambda *news: told.append(news), workers=2)
    assert sorted(quick) == sorted(QUICK)
    assert told[-1][:2] == (len(QUICK), len(QUICK))


def test_where_no_process_can_be_started_all_is_compiled_here(quick, monkeypatch):
    monkeypatch.setattr(warmup.sys, "executable", "no such file")
    fastsep.warmup(workers=2)
    assert sorted(quick) == sorted(QUICK)


def test_a_frozen_application_starts_no_processes(quick, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(warmup.subprocess, "Popen", None)
    monkeypatch.setattr(warmup, "keys", lambda groups, dtypes: QUICK[:1])
    monkeypatch.setattr(warmup, "FEW", 0.5)
    fastsep.warmup(workers=2)
    assert quick == QUICK[:1]


# ---- commands


def test_the_command_tells_how_much_is_left_and_the_next_run_has_nothing_to_do(quick, capsys):
    assert main(["warmup", "--only", "filters, edges", "--dtype", "uint8", "--jobs", "1"]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "kernels to compile: 4"
    assert len(lines) == 4
    for done, line in enumerate(lines, 1):
        assert re.fullmatch(rf"\[{done}/4\] [a-z0-9 ]+, \d+ s left", line)
    assert last.startswith("4 compiled, ready in ")
    assert main(["warmup"]) == 0
    (last,) = capsys.readouterr().out.splitlines()
    assert last.startswith("0 compiled, ready in ")


def test_the_command_refuses_what_the_function_refuses(capsys):
    assert main(["warmup", "--only", "edge"]) == 2
    assert re.match("fastsep warmup: .*must be one of filters", capsys.readouterr().err)
    assert main(["warmup", "--jobs", "0"]) == 2
    assert "`--jobs`" in capsys.readouterr().err


def test_the_cache_is_counted_and_emptied(quick, tmp_path, capsys):
    cache.write("one", ("kernel",), "name", b"code" * 300_000)
    cache.write("another version", ("kernel",), "name", b"code" * 300_000)
    (tmp_path / ".1234.kernel").write_text("left by a process that was killed")
    (tmp_path / "notes.txt").write_text("somebody's own")
    assert main(["cache"]) == 0
    folder, number = capsys.readouterr().out.splitlines()
    assert str(tmp_path) in folder
    assert "2 (2.4 MB)" in number
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == "deleted 2 of 2 (2.4 MB)\n"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_cannot_be_deleted_is_said(quick, monkeypatch, capsys):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    cache.write("one", ("kernel",), "name", b"code")
    monkeypatch.setattr(Path, "unlink", refuse)
    assert main(["cache", "--clear"]) == 1
    assert "cannot be deleted" in capsys.readouterr().err
    assert len(cache.entries()) == 1


# ---- the log


def test_a_log_at_level_debug_hears_what_is_compiled_and_nothing_of_numbas(tmp_path):
    lines = run("listen", FASTSEP_CACHE_DIR=str(tmp_path))
    assert lines[:-1] == [f"fastsep compiled {' '.join(key)} in # s" for key in QUICK[:2]]
    assert int(lines[-1]) > 10  # of the program's own function


def listen():
    heard = []

    class Listener(logging.Handler):
        def emit(self, record):
            heard.append(f"{record.name} {re.sub('[0-9.]+ s$', '# s', record.getMessage())}")

    logging.basicConfig(level=logging.DEBUG, handlers=[Listener()])
    for key in QUICK[:2]:
        jit.kernel(*key)
    own = len(heard)
    import numba

    numba.njit("int64(int64)")(lambda x: x + 1)
    say("\n".join([*heard[:own], str(len(heard) - own)]))


def test_another_threads_compiler_is_heard_while_a_kernel_is_compiled(caplog):
    from fastsep._kernels.log import silence

    logger = logging.getLogger("numba.core.ssa")
    caplog.set_level(logging.DEBUG, "numba.core.ssa")

    def speak(who):
        logger.debug("detail of %s", who)
        logger.warning("warning of %s", who)

    with silence:
        speak("the kernel's")
        other = threading.Thread(target=speak, args=("another thread's",))
        other.start()
        other.join()
    speak("the program's")
    heard = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert heard == [
        "warning of the kernel's",
        "detail of another thread's",
        "warning of another thread's",
        "detail of the program's",
        "warning of the program's",
    ]


FORK = """
import importlib, logging, os, threading, time
from fastsep._engine import bands
from fastsep._kernels import jit

importlib.reload(logging)  # as where nothing has imported it before
from fastsep._kernels import log

inside = threading.Event()

def compile():
    with jit.lock:
        inside.set()
        time.sleep(0.3)  # the fork begins
        logging.getLogger("numba.another")

thread = threading.Thread(target=compile)
thread.start()
inside.wait()
child = os.fork()
if child:
    os.waitpid(child, 0)
    thread.join()
else:
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_a_thread_compiles_and_logs_does_not_hang():
    subprocess.run(
        [sys.executable, "-c", FORK], env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)}, timeout=60, check=True
    )


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
