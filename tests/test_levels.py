"""Promise: portable. Levels of x86-64 besides this CPU's own, in one process."""

import llvmlite.binding as llvm
import numpy as np
import pytest
from cases import CASES
from helpers import LEVELS, make_image, same_bits, skip_without
from test_sizes import ALL_PLANES, PAIRS, SHAPES, check

import fastsep
from fastsep._engine import warmup
from fastsep._engine.levels import for_level
from fastsep._kernels import jit


@pytest.mark.parametrize("level", jit.LEVELS, indirect=True)
def test_a_level_decides_how_wide_vectors_are(level):
    width, _ = jit.LEVELS[level]
    assert (jit.target().name, jit.target().vector_bytes) == (level, width)
    assert fastsep.show_config()["simd"].startswith(f"{8 * width} bits")


@pytest.mark.parametrize("level", LEVELS[:1], indirect=True)
def test_a_level_ends_with_its_context(level):
    with pytest.raises(KeyError), for_level("x86-64-v2"):
        raise KeyError
    assert jit.target().name == level


@pytest.mark.parametrize("level", LEVELS[:1], indirect=True)
def test_the_level_of_the_process_itself_changes_nothing(level, monkeypatch):
    here = jit.target()
    monkeypatch.setattr(jit, "own_target", lambda: here)
    with for_level(level):
        assert jit.instead is None


@pytest.mark.parametrize(("level", "lacking"), [("x86-64-v3", "avx2, fma"), ("x86-64-v4", "avx2, fma, avx512vl")])
def test_a_level_that_this_cpu_cannot_run_is_refused(level, lacking, monkeypatch):
    features = {name: name not in lacking.split(", ") for _, names in jit.LEVELS.values() for name in names.split()}
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
    assert jit.level_target("x86-64-v2").vector_bytes == 16
    refused = pytest.raises(ValueError, match=rf"^level {level} cannot run on this CPU, which lacks {lacking}$")
    with refused, for_level(level):
        pass
    assert jit.instead is None


def test_an_unknown_level_is_refused():
    refused = pytest.raises(ValueError, match=r"^level must be one of x86-64-v2, x86-64-v3, x86-64-v4, got 'v3'$")
    with refused, for_level("v3"):
        pass


@pytest.mark.parametrize("level", LEVELS[:1], indirect=True)
def test_each_level_has_kernels_of_its_own(level):
    key = ("threshold", "float32")
    own = jit.kernel(*key)
    with for_level("x86-64-v2"):
        assert jit.kernel(*key) != own
    assert jit.kernel(*key) == own


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v3"], indirect=True)
def test_nothing_of_a_level_outlasts_its_context(level, rng):
    """Results tell: without a fused multiply-add they are rounded otherwise."""
    image, maps = rng.random((40, 60), np.float32), rng.random((9, 11, 24), np.float32)
    layer = fastsep.SeparableConv2D(rng.random((3, 3, 24), np.float32), rng.random((24, 40), np.float32))

    def results():
        return [fastsep.gaussian(image, 2), layer(maps)]

    before = results()
    with for_level("x86-64-v2"):
        within = results()
    for one, other, again in zip(before, within, results(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert not same_bits(one, other)
        assert same_bits(one, again)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS[:1], indirect=True)
def test_processes_compile_for_the_level_too(level, tmp_path, restart, monkeypatch):
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(tmp_path))
    compiled = restart()
    key = ("threshold", "float32")
    assert set(warmup._compiled_apart([key], 2)) == {key}
    assert jit.is_cached(*key)
    assert not compiled


# ---- filters


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS, indirect=True)
@pytest.mark.parametrize("name", CASES)
def test_shapes_around_every_switch(name, level):
    check(name, SHAPES, CASES[name].dtypes[PAIRS[level]])


# The smallest vectors there are: rows of 40 values are many of them, as rows of no other level are.
@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v2"], indirect=True)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.ndim == 2])
def test_every_small_shape(name, level):
    check(name, {2: ALL_PLANES}, CASES[name].dtypes[PAIRS[level]])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_vectors_of_another_width_give_the_same_bits(name, rng):
    skip_without("x86-64-v3")  # the least that has a fused multiply-add
    case = CASES[name]
    src, dst = case.dtypes[0]
    image = make_image(rng, src, case.shape(*{2: (45, 131), 3: (9, 23, 37), 4: (4, 5, 6, 19)}[case.ndim]))
    expected = case.call(image, dtype=dst)
    with for_level("x86-64-v3"):
        assert same_bits(case.call(image, dtype=dst), expected)
