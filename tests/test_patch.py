"""`patch` replaces functions of scikit-image and SciPy wherever they are held, and puts them back."""

import importlib
import inspect
import multiprocessing
import pickle
import re
import sys
import threading
import types
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
from originals import BYTES, IMAGE, arguments, image_for, original, run, same
from skimage.morphology import disk

import fastsep
from fastsep._patch import checks, patching, tally, wrappers
from fastsep._patch.targets import HOMES

pytestmark = pytest.mark.usefixtures("nothing_is_patched")


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
