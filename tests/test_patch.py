"""`patch`: scripts that call scikit-image and SciPy get the same results, errors and warnings, and faster."""

import importlib
import inspect
import multiprocessing
import pickle
import re
import subprocess
import sys
import threading
import types
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest

pytest.importorskip("skimage")
import scipy.ndimage
import skimage.feature
import skimage.filters
import skimage.metrics
import skimage.morphology
from skimage.morphology import disk

import fastsep
from fastsep._patch import checks, patching, tally, worth, wrappers
from fastsep._patch.targets import HOMES

RNG = np.random.default_rng(3)
IMAGE = RNG.random((40, 41))
BYTES = RNG.integers(0, 256, IMAGE.shape, "u1")
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)

#: Arguments behind the image, for those functions that need some.
ARGUMENTS = {
    "difference_of_gaussians": (1, 2),
    "apply_hysteresis_threshold": (0.6, 0.9),
    "correlate1d": ([1, 2, 3],),
    "convolve1d": ([1, 2, 3],),
    "correlate": (np.arange(9.0).reshape(3, 3),),
    "convolve": (np.arange(9.0).reshape(3, 3),),
    "rank_filter": (2, 3),
    "percentile_filter": (30, 3),
    "hessian_matrix": (1, "constant", 0, "rc", False),
}
SIGMA = ("gaussian_filter", "gaussian_filter1d", "gaussian_laplace", "gaussian_gradient_magnitude")
#: Those that compare pixels only, or decide.
EXACT = ("median", "filter1d", "_filter", "erosion", "dilation", "opening", "closing", "tophat", "peak", "canny")


@pytest.fixture(autouse=True)
def nothing_is_patched(monkeypatch):
    """Neither before nor after a test. Fastsep is loaded already, and takes the first calls, too."""
    monkeypatch.setattr(worth, "_loaded", True)
    fastsep.unpatch()
    tally.clear()
    yield
    fastsep.unpatch()


def original(public):
    module, _, name = public.rpartition(".")
    return inspect.unwrap(getattr(importlib.import_module(module), name), stop=lambda f: id(f) not in wrappers.made)


def arguments(public):
    name = public.rpartition(".")[2]
    return ARGUMENTS.get(name, (2,) if name in SIGMA else (3,) if public.startswith("scipy") and is_order(name) else ())


def is_order(name):
    return any(part in name for part in (*EXACT, "morphological", "uniform")) and not name.startswith("gaussian")


def image_for(public):
    """Of float32 where pixels are only compared: other tests need these kernels, too."""
    name = public.rpartition(".")[2]
    return IMAGE.astype("f4") if is_order(name) and "uniform" not in name and name != "canny" else IMAGE


def run(code, *arguments, **options):
    """Lines that a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def same(found, expected, public):
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other, public)
        return
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    limit = 1e-12 if found.dtype == np.float64 else 0
    np.testing.assert_allclose(found, expected, rtol=limit, atol=100 * limit)


# ---- what is replaced


@pytest.mark.parametrize("public", sorted(HOMES))
def test_every_function_gives_the_same_result_as_before(public):
    module, _, name = public.rpartition(".")
    theirs = getattr(importlib.import_module(module), name)
    image = image_for(public)
    expected = theirs(image, *arguments(public))
    with fastsep.patched():
        ours = getattr(sys.modules[module], name)
        assert ours is not theirs
        same(ours(image, *arguments(public)), expected, public)
    assert tally.calls[public].fast.calls == 1
    assert tally.calls[public].pixels == IMAGE.size
    assert not tally.calls[public].original
    assert getattr(sys.modules[module], name) is theirs


@pytest.mark.parametrize("public", sorted(HOMES))
def test_every_function_is_known_where_it_is_defined(public):
    getattr(importlib.import_module(public.rpartition(".")[0]), public.rpartition(".")[2])
    assert hasattr(sys.modules[HOMES[public]], public.rpartition(".")[2])


@pytest.mark.parametrize("public", sorted(HOMES))
def test_signature_name_and_page_are_those_of_the_original(public):
    theirs = original(public)
    with fastsep.patched():
        module, _, name = public.rpartition(".")
        ours = getattr(sys.modules[module], name)
        assert type(ours) is types.FunctionType
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert ours.__doc__ == theirs.__doc__
        assert ours.__wrapped__ is theirs
        assert (ours.__module__, ours.__qualname__, ours.__name__) == (module, name, name)
        assert inspect.getsource(ours) == inspect.getsource(theirs)


@pytest.mark.parametrize("public", sorted(HOMES))
def test_checks_have_the_parameters_of_what_they_check(public):
    """But `**kwargs`, whose names checks know."""
    expected = list(inspect.signature(original(public)).parameters.values())
    found = list(inspect.signature(wrappers._check_of(public)).parameters.values())
    if expected[-1].kind is inspect.Parameter.VAR_KEYWORD:
        expected.pop()
    for one, other in zip(found, expected, strict=False):
        assert (one.name, one.kind, one.default) == (other.name, other.kind, other.default)


def test_only_what_is_asked_for_is_replaced():
    gaussian, sobel = skimage.filters.gaussian, skimage.filters.sobel
    filtered = scipy.ndimage.gaussian_filter
    fastsep.patch("skimage", only=("gaussian", "skimage.filters.median"))
    assert skimage.filters.gaussian is not gaussian
    assert skimage.filters.sobel is sobel
    assert scipy.ndimage.gaussian_filter is filtered
    fastsep.patch("scipy.ndimage")
    assert skimage.filters.gaussian is gaussian
    assert scipy.ndimage.gaussian_filter is not filtered


@pytest.mark.parametrize(
    ("targets", "only", "message"),
    [
        ("sklearn", None, r"`targets` must be of skimage, scipy.ndimage; got 'sklearn'\."),
        ("skimage", "gaussian_filter", "`only` must name functions of skimage.filters, .* got 'gaussian_filter'"),
    ],
)
def test_an_unknown_target_or_function_is_refused(targets, only, message):
    with pytest.raises(ValueError, match=message):
        fastsep.patch(targets, only=only)
    assert patching.current() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": 3}, "`targets` must be a name or several; got 3."),
        ({"targets": []}, "`targets` must be a name or several; got []."),
        ({"targets": b"skimage"}, "`targets` must be a name or several; got b'skimage'."),
        ({"targets": None}, "`targets` must be a name or several; got None."),
        ({"only": ["sobel", 3]}, "`only` must be a name or several; got ['sobel', 3]."),
        ({"only": ()}, "`only` must be a name or several; got ()."),
        ({"only": len}, "`only` must be a name or several; got <built-in function len>."),
        ({"internal": "no"}, "`internal` must be True or False; got 'no'."),
    ],
)
def test_what_is_no_name_is_refused(arguments, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        fastsep.patch(**arguments)
    assert patching.current() is None


def test_a_second_call_changes_nothing():
    fastsep.patch()
    first = skimage.filters.gaussian
    fastsep.patch()
    assert skimage.filters.gaussian is first
    assert sys.meta_path.count(patching._finder) == 1
    fastsep.unpatch()
    fastsep.unpatch()
    assert patching._finder not in sys.meta_path


def test_a_block_ends_in_what_was_patched_before():
    theirs = skimage.filters.sobel
    fastsep.patch(only="gaussian")
    ours = skimage.filters.gaussian
    with fastsep.patched():
        assert skimage.filters.sobel is not theirs
        with pytest.raises(KeyError), fastsep.patched(only="sobel"):
            raise KeyError
        assert skimage.filters.gaussian is not ours.__wrapped__
    assert skimage.filters.sobel is theirs
    assert skimage.filters.gaussian is ours


def test_a_version_that_is_not_known_is_left_alone(monkeypatch):
    monkeypatch.setattr(skimage, "__version__", "0.25.2")
    theirs = skimage.filters.gaussian, skimage.morphology.erosion, scipy.ndimage.sobel
    with fastsep.patched(internal=True):
        assert skimage.filters.gaussian is theirs[0]
        assert skimage.morphology.erosion is theirs[1]
        assert scipy.ndimage.sobel is not theirs[2]
        assert patching.left_alone() == {"skimage": "0.25.2"}


def test_a_module_that_another_thread_is_importing_is_patched_as_well(tmp_path):
    (tmp_path / "slow.py").write_text("import sys, time\nprint('scipy.ndimage' in sys.modules)\ntime.sleep(1)\n")
    code = (
        "import sys, threading, time, fastsep\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "class Slow:\n"  # the import of a part of it takes long
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'scipy.ndimage._fourier': import slow\n"
        "sys.meta_path.insert(0, Slow())\n"
        "thread = threading.Thread(target=lambda: __import__('scipy.ndimage'))\n"
        "thread.start()\n"
        "while 'slow' not in sys.modules: time.sleep(0.01)\n"
        "fastsep.patch()\n"
        "print(hasattr(sys.modules['scipy.ndimage'].sobel, '__wrapped__'))\n"
        "thread.join()\n"
    )
    assert run(code, str(tmp_path)) == ["True", "True"]


# ---- names that modules hold


def test_names_bound_before_and_while_patched_are_replaced_and_come_back():
    module = types.ModuleType("user_module")
    sys.modules["user_module"] = module
    try:
        exec("from skimage.filters import gaussian as blur\nfrom scipy.ndimage import sobel", module.__dict__)
        theirs = module.blur, module.sobel
        fastsep.patch()
        assert module.blur is skimage.filters.gaussian is not theirs[0]
        assert module.sobel is scipy.ndimage.sobel is not theirs[1]
        exec("from skimage.feature import canny\nimport skimage.morphology as m", module.__dict__)
        assert module.canny.__wrapped__
        fastsep.unpatch()
        assert (module.blur, module.sobel) == theirs
        assert module.canny is skimage.feature.canny
        assert not hasattr(module.canny, "__wrapped__")
    finally:
        del sys.modules["user_module"]


def test_what_is_held_otherwise_runs_the_original_when_nothing_is_patched_any_more():
    fastsep.patch()
    held = partial(skimage.filters.gaussian, sigma=2)
    held(IMAGE)
    fastsep.unpatch()
    held(IMAGE)
    assert tally.calls["skimage.filters.gaussian"].fast.calls == 1


def test_modules_that_implement_the_functions_keep_theirs():
    edges = importlib.import_module("skimage.filters.edges")
    filters = importlib.import_module("scipy.ndimage._filters")
    before = [edges.sobel, edges.convolve, filters.gaussian_filter, filters.correlate1d]
    for internal in (False, True):
        with fastsep.patched(internal=internal):
            assert edges.sobel is before[0]
            assert [filters.gaussian_filter, filters.correlate1d] == before[2:]
            assert (edges.convolve is before[1]) is not internal
        assert [edges.sobel, edges.convolve, filters.gaussian_filter, filters.correlate1d] == before


def test_modules_imported_later_and_lazily_are_patched_and_come_back():
    lines = run(
        "import sys, fastsep\n"
        "fastsep.patch()\n"
        "print(*sorted({'skimage', 'scipy', 'numpy'} & set(sys.modules)))\n"
        "from skimage.filters import gaussian, sobel as s\n"
        "from scipy.ndimage import median_filter\n"
        "import skimage.morphology, skimage.feature, skimage.filters, scipy.ndimage\n"
        "print('numba' in sys.modules, 'skimage.feature._canny' in sys.modules)\n"
        "print(*[f.__wrapped__.__module__ for f in (gaussian, s, median_filter, skimage.morphology.erosion)])\n"
        "print(skimage.feature.canny.__wrapped__.__module__, type(skimage.filters.__loader__).__name__)\n"
        "fastsep.unpatch()\n"
        "print([hasattr(f, '__wrapped__') for f in (gaussian, s, median_filter, skimage.feature.canny)])\n"
        "print(skimage.filters.scharr.__module__, skimage.filters.__getattr__.__module__)\n"
    )
    assert lines == [
        "",
        "False False",
        "skimage._shared.filters skimage.filters.edges scipy.ndimage._filters skimage.morphology.gray",
        "skimage.feature._canny SourceFileLoader",
        "[False, False, False, False]",
        "skimage.filters.edges lazy_loader",
    ]


def test_modules_that_are_loaded_at_the_first_look_stay_unloaded(tmp_path):
    (tmp_path / "looked_at.py").write_text("print('loaded')")
    code = (
        "import sys, importlib.util, scipy.ndimage, fastsep\n"
        "spec = importlib.util.find_spec('looked_at')\n"
        "spec.loader = importlib.util.LazyLoader(spec.loader)\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules['looked_at'], sys.modules['none'], sys.modules['thing'] = module, None, object()\n"
        "spec.loader.exec_module(module)\n"
        "fastsep.patch(); fastsep.unpatch()\n"
    )
    assert run(code, cwd=tmp_path) == []


def test_reloading_leaves_things_patched(tmp_path, monkeypatch):
    (tmp_path / "user_code.py").write_text("from skimage.filters import gaussian\nfrom scipy.ndimage import sobel\n")
    monkeypatch.syspath_prepend(tmp_path)
    user = importlib.import_module("user_code")
    try:
        fastsep.patch()
        for module in (skimage.filters, skimage.morphology, user):
            importlib.reload(module)
        assert id(skimage.filters.gaussian) in wrappers.made
        assert id(skimage.morphology.erosion) in wrappers.made
        assert user.gaussian is skimage.filters.gaussian
        assert user.sobel is scipy.ndimage.sobel
        fastsep.unpatch()
        importlib.reload(user)
        assert not hasattr(user.gaussian, "__wrapped__")
        assert user.sobel is scipy.ndimage.sobel
        assert id(user.sobel) not in wrappers.made
    finally:
        del sys.modules["user_code"]


# ---- processes and threads


def test_wrappers_are_pickled_as_the_functions_that_they_stand_for():
    plain = {public: original(public) for public in HOMES}
    with fastsep.patched():
        for public in HOMES:
            module, _, name = public.rpartition(".")
            ours = getattr(sys.modules[module], name)
            assert pickle.loads(pickle.dumps(ours)) is ours
        sent = pickle.dumps([skimage.filters.gaussian, skimage.morphology.erosion, scipy.ndimage.sobel])
        assert pickle.loads(pickle.dumps(plain["skimage.filters.gaussian"])) is plain["skimage.filters.gaussian"]
    lines = run(
        "import pickle, sys; print([f.__module__ for f in pickle.loads(bytes.fromhex(sys.argv[1]))])", sent.hex()
    )
    assert lines == ["['skimage._shared.filters', 'skimage.morphology.gray', 'scipy.ndimage._filters']"]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_get_wrappers_and_give_the_same_results(method):
    """A forked one is patched as its parent is, and a new one is not."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    expected = scipy.ndimage.gaussian_filter(IMAGE, 2)
    with fastsep.patched():
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
            found = pool.submit(scipy.ndimage.gaussian_filter, IMAGE, 2).result(timeout=120)
            patched = pool.submit(is_patched).result(timeout=120)
        same(found, expected, "")
        assert patched is (method == "fork")


def is_patched():
    return patching.current() is not None


def test_joblib_gets_wrappers():
    joblib = pytest.importorskip("joblib")
    expected = scipy.ndimage.gaussian_filter(IMAGE, 2)
    with fastsep.patched():
        for backend in ("loky", "threading"):
            [found] = joblib.Parallel(2, backend=backend)([joblib.delayed(scipy.ndimage.gaussian_filter)(IMAGE, 2)])
            same(found, expected, "")


def test_threads_may_call_patch_and_unpatch_at_the_same_time():
    expected, failed = scipy.ndimage.gaussian_filter(IMAGE, 2), []
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        for _ in range(20):
            if number < 2:
                fastsep.patch(internal=bool(number))
                fastsep.unpatch()
            elif not np.allclose(scipy.ndimage.gaussian_filter(IMAGE, 2), expected, rtol=0, atol=1e-12):
                failed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert patching.current() is None
    assert scipy.ndimage.gaussian_filter.__module__ == "scipy.ndimage._filters"


def test_calls_of_all_threads_are_counted():
    with fastsep.patched():

        def work():
            for _ in range(50):
                scipy.ndimage.sobel(IMAGE)
                scipy.ndimage.sobel(IMAGE[:3])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = tally.calls["scipy.ndimage.sobel"]
    assert found.fast.calls == found.original[checks.SMALL].calls == 200
    assert found.fast.seconds > 0
    assert found.original[checks.SMALL].seconds > 0


# ---- calls that go to the original

WITH_NAN, WITH_INFINITY = IMAGE.copy(), IMAGE.copy()
WITH_NAN[3, 4], WITH_INFINITY[5, 5] = np.nan, np.inf
HUGE = BYTES.astype(np.int64) + 2**53
INTS = BYTES.astype(np.int64)


class Subclass(np.ndarray):
    pass


#: The slow ones have kernels of their own.
OTHERS = [
    ("skimage.filters.gaussian", (IMAGE[:20],), {}, checks.SMALL),
    ("scipy.ndimage.gaussian_filter1d", (IMAGE.ravel(), 2), {}, checks.SMALL),
    ("scipy.ndimage.gaussian_filter1d", (np.tile(IMAGE.ravel(), 40), 2), {}, None),
    ("scipy.ndimage.minimum_filter1d", (BYTES.ravel(), 3), {}, None),
    ("skimage.filters.gaussian", (IMAGE.view(Subclass),), {}, checks.SUBCLASS),
    ("skimage.filters.sobel", (np.ma.masked_less(IMAGE, 0.1),), {}, checks.SUBCLASS),
    ("scipy.ndimage.gaussian_filter", (np.ma.masked_less(IMAGE, 0.1), 1), {}, checks.SUBCLASS),
    ("scipy.ndimage.gaussian_filter", (IMAGE.tolist(), 1), {}, checks.SUBCLASS),
    ("scipy.ndimage.sobel", (np.asmatrix(IMAGE),), {}, checks.SUBCLASS),
    ("scipy.ndimage.gaussian_filter", (IMAGE.astype(complex), 1), {}, checks.DTYPE),
    ("skimage.filters.gaussian", (IMAGE.astype(np.longdouble),), {}, checks.DTYPE),
    ("skimage.filters.gaussian", (IMAGE.astype(">f8"),), {}, checks.BYTE_ORDER),
    ("skimage.filters.sobel", (IMAGE,), {"axis": -1}, checks.AXIS),
    ("skimage.filters.sobel", (IMAGE,), {"axis": (0, -1)}, checks.AXIS),
    ("skimage.filters.sobel", (IMAGE,), {"axis": (1, 1)}, checks.AXIS),
    ("skimage.filters.sobel", (IMAGE, CROSS.astype(int)[:1, :1]), {}, checks.MASK),
    ("skimage.filters.unsharp_mask", (np.dstack([IMAGE] * 3),), {"channel_axis": 2}, None),
    ("skimage.filters.gaussian", (IMAGE,), {"sigma": np.nan}, checks.VALUES),
    ("skimage.filters.gaussian", (np.dstack([IMAGE] * 3),), {"channel_axis": 5}, checks.AXIS),
    ("skimage.filters.gaussian", (np.dstack([IMAGE] * 3),), {"channel_axis": -1}, None),
    ("skimage.filters.apply_hysteresis_threshold", (IMAGE, np.nan, 0.5), {}, checks.VALUES),
    ("skimage.filters.apply_hysteresis_threshold", (IMAGE, IMAGE, 0.5), {}, checks.VALUES),
    ("skimage.filters.median", (WITH_NAN,), {}, checks.NAN),
    ("skimage.filters.median", (WITH_INFINITY.astype("f4"),), {}, None),
    ("skimage.filters.median", (BYTES,), {"behavior": "rank"}, checks.VALUES),
    ("skimage.morphology.erosion", (WITH_NAN,), {}, checks.NAN),
    pytest.param("skimage.morphology.erosion", (INTS,), {}, None, marks=pytest.mark.slow),
    ("skimage.morphology.erosion", (HUGE,), {}, checks.LARGE),
    ("scipy.ndimage.minimum_filter", (HUGE.astype(np.uint64), 3), {}, checks.LARGE),
    pytest.param("scipy.ndimage.minimum_filter", (INTS, 3), {}, None, marks=pytest.mark.slow),
    ("scipy.ndimage.uniform_filter", (WITH_NAN, 3), {}, checks.NAN),
    ("scipy.ndimage.uniform_filter", (WITH_INFINITY, 3), {}, checks.NAN),
    ("scipy.ndimage.uniform_filter", (INTS + 2**41, 3), {}, checks.LARGE),
    ("scipy.ndimage.uniform_filter", (IMAGE.T, 3), {}, None),
    ("scipy.ndimage.uniform_filter", (IMAGE, 3), {"mode": "constant", "cval": np.nan}, checks.CVAL),
    ("scipy.ndimage.sobel", (INTS.astype("i4") << 20,), {}, checks.LARGE),
    pytest.param("scipy.ndimage.sobel", (INTS.astype("i4") << 10,), {}, None, marks=pytest.mark.slow),
    ("scipy.ndimage.correlate1d", (BYTES, [1 << 30, -1]), {}, checks.LARGE),
    pytest.param(
        "scipy.ndimage.correlate1d", (BYTES, [1 << 20, -1]), {"output": np.int32}, None, marks=pytest.mark.slow
    ),
    ("scipy.ndimage.gaussian_filter1d", (BYTES, 0.01), {"order": 1}, checks.LARGE),
    pytest.param(
        "scipy.ndimage.gaussian_filter",
        (INTS.astype("i4") << 22, 2),
        {"output": np.uint8},
        None,
        marks=pytest.mark.slow,
    ),
    ("skimage.morphology.dilation", (INTS,), {"mode": "max"}, checks.MODE),
    ("scipy.ndimage.gaussian_filter", (WITH_NAN, 1), {}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"output": "f4"}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"output": np.uint8}, checks.OUT),
    ("scipy.ndimage.gaussian_filter", (BYTES, 1), {"output": float}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"mode": ["wrap", "nearest"]}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"axes": (1,)}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"axes": -1}, checks.AXES),
    ("scipy.ndimage.uniform_filter", (IMAGE, 3.0), {}, checks.VALUES),
    ("scipy.ndimage.gaussian_filter", (IMAGE, np.float32(1.5)), {}, checks.VALUES),
    ("scipy.ndimage.gaussian_filter", (IMAGE, np.array([1.5, 2.0], np.float32)), {}, checks.VALUES),
    ("scipy.ndimage.gaussian_filter", (IMAGE, np.float64(1.5)), {}, None),
    ("scipy.ndimage.gaussian_laplace", (IMAGE, np.uint8(3)), {}, checks.VALUES),
    ("scipy.ndimage.rank_filter", (IMAGE[0].repeat(30), 1), {"footprint": [1, 0, 1]}, checks.FOOTPRINT),
    ("scipy.ndimage.rank_filter", (IMAGE[0].repeat(30), 1), {"footprint": np.array([1, 0, 1])}, checks.FOOTPRINT),
    ("scipy.ndimage.rank_filter", (BYTES[0].repeat(30), 1), {"footprint": np.array([1, 1, 1])}, None),
    ("scipy.ndimage.grey_erosion", (IMAGE,), {"structure": np.ones((3, 3))}, checks.VALUES),
    ("scipy.ndimage.maximum_filter", (BYTES, 3), {"mode": "constant", "cval": 300}, checks.CVAL),
    ("scipy.ndimage.maximum_filter", (BYTES, 3), {"mode": "constant", "cval": 200.5}, None),
    ("scipy.ndimage.rank_filter", (IMAGE > 0.5, 1, 3), {"mode": "constant", "cval": 1}, None),
    ("skimage.morphology.closing", (BYTES,), {"mode": "constant", "cval": -3}, checks.CVAL),
    ("scipy.ndimage.correlate", (IMAGE, np.ones((3, 3), complex)), {}, checks.VALUES),
    ("scipy.ndimage.correlate1d", (IMAGE, [1, np.inf, 1]), {}, wrappers.PASSED_ON),
    ("skimage.feature.canny", (IMAGE.astype("f4"),), {}, checks.DTYPE),
    ("skimage.feature.corner_harris", (IMAGE,), {"method": "other"}, checks.VALUES),
]


@pytest.mark.parametrize(("public", "args", "options", "reason"), OTHERS)
def test_calls_go_to_the_original_where_results_might_differ(public, args, options, reason):
    """None: they do not go there."""
    theirs = original(public)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(*args, **options)
        with fastsep.patched():
            found = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])(*args, **options)
    count = tally.calls[public]
    assert {name: each.calls for name, each in count.original.items()} == ({} if reason is None else {reason: 1})
    assert count.fast.calls == (reason is None)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    limit = 0 if reason or found.dtype.kind != "f" else 1e-6 if found.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=limit, atol=limit)


@pytest.mark.parametrize("name", ["laplace", "gaussian_laplace", "gaussian_gradient_magnitude", "white_tophat"])
def test_steps_that_write_over_their_input_are_the_originals(name):
    public = f"scipy.ndimage.{name}"
    expected, found = IMAGE.copy(), IMAGE.copy()
    original(public)(expected, *arguments(public), output=expected)
    with fastsep.patched():
        getattr(sys.modules["scipy.ndimage"], name)(found, *arguments(public), output=found)
    np.testing.assert_array_equal(found, expected)
    assert tally.calls[public].original[checks.OUT].calls == 1


def test_a_map_of_a_file_is_taken(tmp_path):
    for number, public in enumerate(sorted(HOMES)):
        pixels = image_for(public)
        image = np.memmap(tmp_path / f"{number}", pixels.dtype, "w+", shape=pixels.shape)
        image[:] = pixels
        expected = original(public)(image, *arguments(public))
        with fastsep.patched():
            found = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])(
                image, *arguments(public)
            )
        same(found, expected, public)
    assert tally.calls["scipy.ndimage.gaussian_filter"].fast.calls == 1
    assert tally.calls["skimage.filters.gaussian"].fast.calls == 1


REFUSED = [
    ("skimage.feature.hessian_matrix", (IMAGE.ravel(),), {"use_gaussian_derivatives": False}),
    ("skimage.filters.gaussian", (IMAGE,), {"sigma": -1}),
    ("skimage.filters.gaussian", (IMAGE,), {"mode": "odd"}),
    ("skimage.filters.gaussian", (IMAGE,), {"wrong": 1}),
    ("skimage.filters.gaussian", (), {}),
    ("skimage.filters.gaussian", (IMAGE, 1, "nearest"), {}),
    ("skimage.filters.gaussian", (IMAGE,), {"dtype": np.float32}),
    ("skimage.filters.gaussian", (IMAGE,), {"sigma": (1, 2, 3)}),
    ("skimage.filters.gaussian", (IMAGE,), {"out": np.empty(IMAGE.shape, int)}),
    ("skimage.filters.gaussian", (None,), {}),
    ("skimage.filters.sobel", (IMAGE,), {"axis": 5}),
    ("skimage.filters.sobel_h", (IMAGE[None],), {}),
    ("skimage.filters.sobel", (IMAGE.tolist(),), {}),
    ("skimage.filters.difference_of_gaussians", (IMAGE, 2, 1), {}),
    ("skimage.filters.median", (IMAGE, CROSS[None]), {}),
    ("skimage.filters.median", (IMAGE.astype("f2"),), {}),
    ("skimage.feature.canny", (INTS,), {}),
    ("skimage.feature.canny", (IMAGE,), {"low_threshold": 0.5, "high_threshold": 0.1}),
    ("skimage.feature.structure_tensor", (IMAGE,), {"order": "odd"}),
    ("skimage.feature.peak_local_max", (IMAGE,), {"exclude_border": -1}),
    ("skimage.feature.peak_local_max", (IMAGE > 0.5,), {}),
    ("scipy.ndimage.gaussian_filter1d", (IMAGE, 0), {}),
    ("skimage.morphology.erosion", (IMAGE,), {"mode": "odd"}),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"mode": "odd"}),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"radius": 1.5}),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"output": np.empty((3, 3))}),
    ("scipy.ndimage.gaussian_filter", (IMAGE,), {}),
    ("skimage.filters.sobel", (IMAGE,), {"mode": ["reflect", "wrap"]}),
    ("scipy.ndimage.median_filter", (IMAGE, 3), {"axes": -1}),
    ("scipy.ndimage.median_filter", (IMAGE, 3.0), {}),
    ("scipy.ndimage.minimum_filter", (IMAGE,), {}),
    ("scipy.ndimage.minimum_filter", (IMAGE, 3), {"origin": 2}),
    ("scipy.ndimage.minimum_filter", (IMAGE.astype("f2"), 3), {}),
    ("scipy.ndimage.correlate", (IMAGE, np.ones(3)), {}),
    ("scipy.ndimage.median_filter", (IMAGE, 3), {"axes": (0, 0)}),
    ("scipy.ndimage.percentile_filter", (IMAGE, 200, 3), {}),
]


@pytest.mark.parametrize(("public", "args", "options"), REFUSED)
def test_errors_are_those_of_the_original_and_out_is_not_written_to(public, args, options):
    theirs = original(public)
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever it is
        theirs(*args, **options)
    name = "out" if public.startswith("skimage") else "output"
    takes_out = name in inspect.signature(theirs).parameters and name not in options
    out = np.full(IMAGE.shape, 7.0)
    given = {**options, name: out} if takes_out and args and type(args[0]) is np.ndarray else options
    with fastsep.patched():
        ours = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])
        with pytest.raises(Exception) as found:  # noqa: PT011
            ours(*args, **options)
        with pytest.raises(Exception):  # noqa: B017, PT011
            ours(*args, **given)
    assert found.type is expected.type
    assert str(found.value) == str(expected.value)
    assert found.value.__context__ is None or expected.value.__context__ is not None
    assert (out == 7).all()


@pytest.mark.parametrize(
    ("public", "args", "options"),
    [
        ("skimage.feature.hessian_matrix", (IMAGE,), {}),
        ("skimage.feature.peak_local_max", (IMAGE,), {"min_distance": 0}),
        ("scipy.ndimage.minimum_filter", (IMAGE, 3, CROSS), {}),
        ("scipy.ndimage.median_filter", (IMAGE, 3, CROSS), {}),
    ],
)
def test_warnings_are_those_of_the_original_and_about_the_same_line(public, args, options):
    caught = []
    for patched in (False, True):
        if patched:
            fastsep.patch()
        function = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            function(*args, **options)
        caught.append([(each.category, str(each.message), each.filename, each.lineno) for each in found])
    assert len(caught[0]) == 1
    assert caught[0] == caught[1]
    assert caught[1][0][2] == __file__


def test_users_may_ask_what_ran_fast():
    assert fastsep.patched_calls() == {}
    with fastsep.patched():
        scipy.ndimage.gaussian_filter(IMAGE, 2)
        scipy.ndimage.gaussian_filter(IMAGE, 2)
        scipy.ndimage.gaussian_filter(IMAGE.tolist(), 2)
        scipy.ndimage.sobel(IMAGE[:5])
    assert fastsep.patched_calls() == {
        "scipy.ndimage.gaussian_filter": {"fast": 2, "original": {checks.SUBCLASS: 1}},
        "scipy.ndimage.sobel": {"fast": 0, "original": {checks.SMALL: 1}},
    }


# ---- when fastsep is loaded


@pytest.fixture
def unloaded(monkeypatch):
    """As in a process that has not used fastsep yet."""
    monkeypatch.setattr(worth, "_loaded", False)
    monkeypatch.setattr(worth, "_done", 0.0)
    monkeypatch.setattr(worth, "is_loaded", lambda: False)


def fast_calls(function, *args, **options):
    """Of ten calls."""
    tally.clear()
    with fastsep.patched():
        for _ in range(10):
            getattr(scipy.ndimage, function)(*args, **options)
    found = tally.calls[f"scipy.ndimage.{function}"]
    assert sum(each.calls for each in found.original.values()) == 10 - found.fast.calls
    assert set(found.original) <= {wrappers.EARLY}
    return found.fast.calls


def test_calls_run_the_original_until_there_is_enough_to_filter(unloaded, monkeypatch):
    monkeypatch.setattr(worth, "ENOUGH", 3.5 * (worth._A_CALL + worth._OTHER * IMAGE.size))
    assert fast_calls("sobel", IMAGE) == 7
    assert fast_calls("laplace", IMAGE) == 10


def test_a_single_call_may_be_enough_for_fastsep(unloaded, monkeypatch):
    monkeypatch.setattr(worth, "PAYS", worth._A_CALL + worth._OTHER * IMAGE.size)
    assert fast_calls("sobel", IMAGE) == 10


@pytest.mark.parametrize(
    ("function", "narrow", "wide"),
    [
        ("gaussian_filter", {"sigma": 1}, {"sigma": (1, 30.0)}),
        ("median_filter", {"size": 3}, {"size": 9}),
        ("median_filter", {"size": 3}, {"size": (3, 27)}),
        ("rank_filter", {"rank": 1, "size": 3}, {"rank": 1, "footprint": np.ones((9, 9), bool)}),
    ],
)
def test_wide_windows_are_enough_sooner(unloaded, monkeypatch, function, narrow, wide):
    monkeypatch.setattr(worth, "ENOUGH", 10.5 * (worth._A_CALL + IMAGE.size * 12 * 9))
    assert fast_calls(function, IMAGE, **narrow) == 0
    monkeypatch.setattr(worth, "_done", 0.0)
    monkeypatch.setattr(worth, "ENOUGH", worth.ENOUGH / 3)
    assert fast_calls(function, IMAGE, **wide) > 5


def test_programs_that_have_little_to_filter_load_nothing():
    lines = run(
        "import sys, fastsep; fastsep.patch()\n"
        "import numpy as np, scipy.ndimage as ndi\n"
        "large = np.ones((512, 600))\n"  # minima of such are looked through by fastsep's threads, once it is loaded
        "ndi.minimum_filter(large, 3); ndi.uniform_filter(large, 3)\n"
        "print('fastsep._call' in sys.modules)\n"
        "ndi.median_filter(large, 9)\n"
        "print('fastsep._call' in sys.modules)\n"
    )
    assert lines == ["False", "True"]


def test_fastsep_takes_all_calls_of_programs_that_use_it_themselves():
    lines = run(
        "import fastsep, numpy as np, scipy.ndimage as ndi\n"
        "from fastsep._patch import tally\n"
        "fastsep.patch()\n"
        "ndi.sobel(np.ones((64, 64)))\n"
        "fastsep.sobel(np.ones((64, 64)))\n"
        "ndi.sobel(np.ones((64, 64)))\n"
        "print(tally.calls['scipy.ndimage.sobel'].fast.calls)\n"
    )
    assert lines == ["1"]


# ---- calls inside scikit-image and SciPy


def test_calls_inside_scikit_image_run_as_before_unless_asked_for():
    expected = skimage.feature.blob_dog(IMAGE)
    gaussian = "skimage.filters.gaussian"
    with fastsep.patched():
        np.testing.assert_array_equal(skimage.feature.blob_dog(IMAGE), expected)
        skimage.filters.meijering(IMAGE)
    assert all(not each.fast.calls for each in tally.calls.values())
    before = {name: sum(count.calls for count in each.original.values()) for name, each in tally.calls.items()}
    assert (
        before["scipy.ndimage.gaussian_filter"]
        == tally.calls["scipy.ndimage.gaussian_filter"].original[wrappers.INSIDE].calls
    )
    with fastsep.patched(internal=True):
        np.testing.assert_allclose(skimage.feature.blob_dog(IMAGE), expected, rtol=1e-12)
    assert tally.calls[gaussian].fast.calls > 1
    assert skimage.feature.blob.gaussian is original(gaussian)


def test_similarities_of_float32_images_keep_their_digits():
    one, other = RNG.random((2, 64, 64)).astype("f4")
    expected = skimage.metrics.structural_similarity(one, other, data_range=1.0)
    with fastsep.patched(internal=True):
        assert skimage.metrics.structural_similarity(one, other, data_range=1.0) == expected
        scipy.ndimage.uniform_filter(one)
    found = tally.calls["scipy.ndimage.uniform_filter"]
    assert found.original[wrappers.SINGLE].calls == 5
    assert found.fast.calls == 1


def test_scikit_image_that_is_imported_later_is_patched_inside():
    lines = run(
        "import fastsep; fastsep.patch(internal=True)\n"
        "import numpy as np, skimage.transform, fastsep.filters\n"
        "from fastsep._patch import tally\n"
        "skimage.transform.pyramid_reduce(np.ones((64, 64)))\n"
        "print({name: each.fast.calls for name, each in tally.calls.items() if each.fast.calls})\n"
        "import skimage._shared.filters as home; print(home.gaussian.__code__.co_filename == home.__file__)\n"
        "fastsep.unpatch()\n"
        "import skimage.transform.pyramids as p; print(hasattr(p.gaussian, '__wrapped__'))\n"
    )
    assert lines == ["{'skimage.filters.gaussian': 1}", "True", "False"]


def test_what_this_package_gives_to_scipy_gets_there():
    taps = [1, np.inf, 1]
    expected = fastsep.ndimage.correlate1d(IMAGE, taps)
    with fastsep.patched(internal=True):
        np.testing.assert_array_equal(fastsep.ndimage.correlate1d(IMAGE, taps), expected)
        scipy.ndimage.sobel(IMAGE)
    assert tally.calls["scipy.ndimage.sobel"].fast.calls == 1
    assert not tally.calls["scipy.ndimage.correlate1d"].original


# ---- as a whole


def test_patching_imports_and_prints_nothing():
    lines = run(
        "import sys\nimport fastsep\nfastsep.patch(); fastsep.unpatch()\n"
        "print(*sorted({'numpy', 'scipy', 'skimage', 'inspect', 'dataclasses'} & set(sys.modules)))"
    )
    assert lines == [""]


def test_footprints_in_sequence_are_taken():
    footprint = disk(5, decomposition="sequence")
    expected = skimage.morphology.opening(BYTES, footprint)
    with fastsep.patched():
        np.testing.assert_array_equal(skimage.morphology.opening(BYTES, footprint), expected)
    assert tally.calls["skimage.morphology.opening"].fast.calls == 1


def test_fast_calls_may_be_observed_and_originals_called_quietly(monkeypatch):
    seen = []

    def observe(public, theirs, args, kwargs, seconds):
        with tally.quiet():
            np.testing.assert_allclose(theirs(*args, **kwargs), expected, rtol=1e-12)
        seen.append((public, seconds > 0))

    expected = skimage.filters.difference_of_gaussians(IMAGE, 1, 2)
    monkeypatch.setattr(tally, "observer", observe)
    with fastsep.patched(internal=True):
        skimage.filters.difference_of_gaussians(IMAGE, 1, high_sigma=2)
    assert seen == [("skimage.filters.difference_of_gaussians", True)]
    assert not tally.calls["scipy.ndimage.gaussian_filter"].fast.calls


def test_what_the_original_refuses_is_refused_by_it_before_there_is_enough_to_filter(unloaded):
    with pytest.raises(RuntimeError) as expected:
        scipy.ndimage.gaussian_filter(IMAGE, ())
    with fastsep.patched(), pytest.raises(RuntimeError) as found:
        scipy.ndimage.gaussian_filter(IMAGE, ())
    assert str(found.value) == str(expected.value)
