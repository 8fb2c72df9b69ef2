"""Layers: what the functions do, with weights that are packed once, and what functions remember of theirs."""

import copy
import gc
import math
import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conv_problems import LAYERS, Problem, image, layouts, make
from helpers import same_bits

import fastsep
from fastsep._engine import caches
from fastsep._ops.layers import calls as layer_calls
from fastsep._ops.layers.weights import PackedWeights

OPTIONS = {
    "stride": (2, 1),
    "padding": "same",
    "dilation": (1, 2),
    "activation": (-0.5, 2.0),
    "mode": "mirror",
}
each_layer = pytest.mark.parametrize("kind", LAYERS)


def random_layer(rng, kind, channels=20, **options):
    problem = make(rng, kind, (3, 3), channels, 9, "float32", **{**OPTIONS, **options})
    problem.options["bias"] = rng.uniform(-1, 1, channels if kind == "depthwise" else 9)
    if kind == "separable":
        problem.options["depthwise_bias"] = rng.uniform(-1, 1, channels)
        problem.options["depthwise_activation"] = "relu6"
    return problem


@each_layer
def test_a_layer_does_what_the_function_does(kind, rng):
    for channels in (3, 20):
        problem = random_layer(rng, kind, channels)
        layer = problem.layer()
        for dtype in ("float32", "uint8", "float64", "int16"):
            for shape in ((9, 8), (1, 12), (2, 10, 7)):
                x = image(rng, dtype, (*shape, channels))
                expected = problem.call(x)
                assert layer.dtype == layer(x.astype(np.uint8)).dtype
                for _ in range(2):  # new, and remembered
                    assert same_bits(layer(x), expected)
                    out = np.empty_like(expected)
                    assert layer(x, out=out, workers=2) is out
                    assert same_bits(out, expected)
                    for other in layouts(x).values():
                        if not isinstance(other, list):
                            assert same_bits(layer(other), expected)
                assert layer.output_shape(x.shape) == expected.shape


@each_layer
def test_a_layer_keeps_kernels_of_its_own(kind, rng):
    problem = random_layer(rng, kind)
    x = image(rng, "float32", (9, 8, 20))
    expected = problem.call(x), problem.call(x.astype("f8"))
    layer = problem.layer()
    biases = [value for name, value in problem.options.items() if name.endswith("bias")]
    for array in (*problem.kernels, *biases):
        array[...] = 7
    assert same_bits(layer(x), expected[0])
    assert same_bits(layer(x.astype("f8")), expected[1])


@pytest.mark.parametrize(
    ("kind", "kernels", "options", "shapes"),
    [
        # a stride larger than the image, then not
        ("separable", ((3, 3, 6), (6, 4)), {"stride": 5}, ((3, 4, 6), (30, 34, 6))),
        ("dense", ((3, 3, 6, 4),), {"stride": 5}, ((3, 4, 6), (30, 34, 6))),
        # numbers of channels that fit the kernel
        (
            "separable", ((6, 1, 3, 3), (4, 6)), {"data_format": "channels_first"},
            ((6, 5, 7), (2, 5, 7), (3, 8, 9), (1, 5, 7)),
        ),
        ("depthwise", ((6, 1, 3, 3),), {"data_format": "channels_first"}, ((6, 5, 7), (2, 5, 7), (3, 8, 9), (1, 5, 7))),
    ],
)  # fmt: skip
def test_a_layer_packs_again_for_what_the_image_settles(kind, kernels, options, shapes, rng):
    problem = Problem(kind, tuple(rng.random(shape) for shape in kernels), options)
    layer = problem.layer()
    for shape in shapes:
        x = rng.random(shape)
        assert same_bits(layer(x), problem.call(x))


@each_layer
def test_a_layer_remembers_a_limited_number_of_shapes(kind, rng):
    layer = random_layer(rng, kind, 3).layer()
    for size in range(1, 200):
        layer(np.ones((1, size, 3), "f4"))
    assert len(layer._calls) == 64


def test_a_layer_remembers_shapes_however_large_its_weights_are(rng):
    layer = fastsep.Conv2D(rng.random((1024, 2048), "f4")[None, None])  # 8 MiB
    x = rng.random((2, 2, 1024), "f4")
    first = layer(x)
    assert [*layer._calls] == [(x.shape, x.dtype)]
    assert layer._calls.held < 10_000  # its weights are the layer's, and are not counted for each shape
    assert same_bits(layer(x), first)


@each_layer
def test_a_layer_can_be_called_by_many_threads(kind, rng):
    problem = random_layer(rng, kind)
    layer = problem.layer()
    jobs = [image(rng, dtype, (9 + n, 40, 20)) for n in range(20) for dtype in ("float32", "float64")]
    expected = [problem.call(x) for x in jobs]
    start = threading.Barrier(4)

    def work(_):
        start.wait()
        return all(same_bits(layer(x), result) for _ in range(3) for x, result in zip(jobs, expected, strict=True))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


@each_layer
def test_a_layer_can_be_pickled_and_copied(kind, rng):
    problem = random_layer(rng, kind)
    layer = problem.layer()
    x = image(rng, "uint8", (9, 8, 20))
    expected = layer(x)
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), copy.copy(layer)):
        assert type(other) is type(layer)
        assert same_bits(other(x), expected)
        assert repr(other) == repr(layer)


def test_a_layer_prints_what_it_is(rng):
    assert repr(random_layer(rng, "separable").layer()) == (
        "SeparableConv2D(depthwise_kernel=(3, 3, 20, 1), pointwise_kernel=(20, 9), dtype=float32, stride=(2, 1),"
        " padding='same', dilation=(1, 2), depthwise_bias=(20,), bias=(9,), depthwise_activation='relu6',"
        " activation=(-0.5, 2.0), mode='mirror')"
    )
    for kind, name, shape, count in (
        ("dense", "Conv2D", (3, 3, 20, 9), 9), ("depthwise", "DepthwiseConv2D", (3, 3, 20, 1), 20)
    ):  # fmt: skip
        assert repr(random_layer(rng, kind).layer()) == (
            f"{name}(kernel={shape}, dtype=float32, stride=(2, 1), padding='same', dilation=(1, 2), bias=({count},),"
            " activation=(-0.5, 2.0), mode='mirror')"
        )
    layer = fastsep.SeparableConv2D(
        np.ones((6, 1, 3, 3)), np.ones((4, 6)), padding=1, activation=(0, math.inf), cval=2,
        data_format="channels_first",
    )  # fmt: skip
    assert repr(layer) == (
        "SeparableConv2D(depthwise_kernel=(6, 1, 3, 3), pointwise_kernel=(4, 6), dtype=float64,"
        " padding=((1, 1), (1, 1)), activation='relu', cval=2.0, data_format='channels_first')"
    )
    # One, two, three and six channels fit this kernel.
    assert [layer.output_shape((c, 5, 7)) for c in (1, 2, 3, 6)] == [(4, 5, 7)] * 4
    assert layer(np.ones((2, 5, 7))).shape == layer(np.ones((3, 5, 7))).shape == (4, 5, 7)


def test_functions_remember_small_weights_by_their_values(rng, monkeypatch):
    made = []
    monkeypatch.setattr(layer_calls, "PackedWeights", lambda *args: made.append(args) or PackedWeights(*args))
    monkeypatch.setattr(layer_calls, "_calls", caches.Cache(layer_calls.CALLS, layer_calls.KEPT))
    image = rng.random((9, 8, 20), np.float32)
    kernel = rng.random((3, 3, 20), np.float32)
    first = fastsep.depthwise_conv2d(image, kernel)
    assert same_bits(fastsep.depthwise_conv2d(image.copy(), kernel.copy()), first)
    assert len(made) == 1
    kernel[1, 1] += 1  # in place: other values, another convolution
    assert not np.array_equal(fastsep.depthwise_conv2d(image, kernel), first)
    assert len(made) == 2
    for options in ({"bias": np.ones(20)}, {"activation": "relu"}, {"stride": 2}, {"padding": 1, "cval": -0.0}):
        fastsep.depthwise_conv2d(image, kernel, **options)
        fastsep.depthwise_conv2d(image.astype(np.float64), kernel, **options)
    assert len(made) == 2 + 8
    large = rng.random((64, 600))
    for _ in range(2):
        fastsep.pointwise_conv2d(rng.random((2, 2, 64)), large)
    assert len(made) == 10 + 2
    assert len(layer_calls._calls) <= 10


def test_remembered_weights_have_a_shape_and_a_dtype(rng):
    """The same bytes may be another kernel."""
    image, kernel = rng.random((9, 8, 4), np.float32), rng.random((3, 5, 4), np.float32)
    for one in (kernel, kernel.reshape(5, 3, 4), kernel.view(np.int32), kernel.view(">f4")):
        expected = fastsep.DepthwiseConv2D(one)(image)
        for _ in range(2):
            assert same_bits(fastsep.depthwise_conv2d(image, one), expected)


def test_what_functions_remember_is_bounded_in_bytes(rng):
    """Counted by NumPy's own report of what its arrays take: keys, kernels, packed weights and arguments together."""
    x = rng.random((2, 2, 200), np.float32)
    kernels = [rng.random((200, 300), np.float32) for _ in range(80)]  # 234 KiB, just below what is remembered
    fastsep.pointwise_conv2d(x, kernels[0])
    fastsep.clear_caches()
    tracemalloc.start()
    try:
        for kernel in kernels:
            fastsep.pointwise_conv2d(x, kernel)
        fastsep.pointwise_conv2d(x, rng.random((400, 600), np.float32)[:200])
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    most = layer_calls.CALLS
    assert most / 2 < layer_calls._calls.held <= most
    assert most / 2 < taken < most + (1 << 20)  # and one workspace
    assert 5 < len(layer_calls._calls) < 80


def test_functions_tell_options_apart_that_look_the_same(rng):
    image, kernel = np.ones((4, 4, 20)), np.ones((1, 1, 20))
    for top in (0.123456781, 0.123456784):  # arrays are printed with eight digits
        assert fastsep.depthwise_conv2d(image, kernel, activation=np.array([0, top])).max() == top
        result = fastsep.depthwise_conv2d(0 * image, kernel, padding=1, cval=np.array(top))
        assert result.max() == top
    for low in (0.0, -0.0):
        result = fastsep.depthwise_conv2d(-image, kernel, activation=(low, 1.0))
        assert (np.signbit(result) == np.signbit(low)).all()
