"""Which calls of patched functions run fast, in small programs and inside scikit-image, and how they are counted."""

import numpy as np
import pytest

pytest.importorskip("skimage")
import scipy.ndimage
import skimage.feature
import skimage.filters
import skimage.metrics
import skimage.morphology
from originals import IMAGE, RNG, original, run

import fastsep
from fastsep._patch import checks, tally, worth, wrappers

pytestmark = pytest.mark.usefixtures("nothing_is_patched")


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


def test_what_the_original_refuses_is_refused_by_it_before_there_is_enough_to_filter(unloaded):
    with pytest.raises(RuntimeError) as expected:
        scipy.ndimage.gaussian_filter(IMAGE, ())
    with fastsep.patched(), pytest.raises(RuntimeError) as found:
        scipy.ndimage.gaussian_filter(IMAGE, ())
    assert str(found.value) == str(expected.value)


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
