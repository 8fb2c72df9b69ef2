"""The convolutions: against the oracle at every size and number of channels, their options, and promises."""

import math

import numpy as np
import pytest
from conv_problems import FUNCTIONS, LAYERS, Problem, image, layouts, make, pads_of, pair, with_stages
from helpers import MODES, same_bits, slow

import fastsep

# Below, at and above the lanes of float64 and float32 on CPUs with vectors of 16, 32 and 64 bytes.
CHANNELS = (1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 31, 32, 33, 40)
RESULTS = (1, 3, 8, 15, 16, 17, 31, 32, 33, 48, 64, 65)
# Of the image and the result.
FLOATS = (("float32", "float32"), ("float64", "float64"))
DTYPES = (*FLOATS, ("uint8", "float32"), ("uint16", "float64"))


# ---- against the oracle


@pytest.mark.slow
@pytest.mark.parametrize("dtypes", DTYPES, ids=" ".join)
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_random_problems(kind, dtypes):
    rng = np.random.default_rng([*map(ord, kind)])
    for index in range(100):
        channels = int(rng.choice([rng.integers(1, 41), 48, 65, 130], p=[0.85, 0.05, 0.05, 0.05]))
        sizes = tuple(int(n) for n in rng.integers(1, 8, 2)) if index % 2 else (int(rng.integers(1, 8)),) * 2
        stride, dilation = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(2))
        options = {"stride": stride if index % 3 else stride[0]}
        problem = make(rng, kind, sizes, channels, int(rng.integers(1, 70)), dtypes[1], multiplier=index % 3 + 1)
        shape = [int(n) for n in rng.integers(1, 30, 2)]
        if kind == "pointwise":
            sizes = (1, 1)
        else:
            options |= {"dilation": dilation if index % 4 else 1, "padding": random_padding(rng, index)}
            options |= {"mode": MODES[index % 5], "cval": 0.0 if index % 2 else -0.75}
            if options["padding"] != "same":  # which fits every image; the others have to be large enough
                pads = pads_of(options["padding"], shape, sizes, (1, 1), (1, 1))
                spans = [(k - 1) * d + 1 for k, d in zip(sizes, pair(options["dilation"]), strict=True)]
                shape = [max(n, span - sum(pad)) for n, span, pad in zip(shape, spans, pads, strict=True)]
        problem = with_stages(rng, Problem(kind, problem.kernels, options), index)
        batch = ((), (1,), (2,), (3,))[index % 4]
        problem.check(image(rng, dtypes[0], (*batch, *shape, channels)))


def random_padding(rng, index):
    few = [int(n) for n in rng.integers(0, 4, 4)]
    return ("same", "valid", few[0], (few[0], few[1]), ((few[0], few[1]), (few[2], few[3])), "same")[index % 6]


@pytest.mark.parametrize("dtypes", [FLOATS[:1], *slow(FLOATS[1:], DTYPES[2:])])
@pytest.mark.parametrize("channels", CHANNELS)
def test_numbers_of_channels(channels, dtypes, rng):
    for index, results in enumerate(RESULTS):
        for number, kind in enumerate(FUNCTIONS):
            src, dtype = dtypes[(index + number) % len(dtypes)]
            # Few pixels, several tiles of them, and in between.
            shape = ((5, 6), (40, 27), (9, 14))[(index + channels) % 3]
            problem = make(rng, kind, (3, 3), channels, results, dtype, multiplier=index % 3 + 1)
            problem = with_stages(rng, problem, index + number)
            problem.check(image(rng, src, (*shape, channels)))


FAMILIES = {
    "dense 3": ("dense", (3, 3), 5, 18, {}),
    "dense 5, stride 2": ("dense", (5, 5), 17, 9, {"stride": 2}),
    "dense 1, stride 2": ("dense", (1, 1), 20, 33, {"stride": 2}),
    "depthwise 3": ("depthwise", (3, 3), 20, 0, {}),
    "depthwise 3, stride 2": ("depthwise", (3, 3), 35, 0, {"stride": 2}),
    "depthwise 5": ("depthwise", (5, 5), 16, 0, {"stride": (2, 1)}),
    "depthwise 7, dilation": ("depthwise", (7, 7), 18, 0, {"dilation": 2}),
    "depthwise 2 x 4": ("depthwise", (2, 4), 19, 0, {"stride": (1, 3)}),
    "depthwise 3, few channels": ("depthwise", (3, 3), 3, 0, {}),
    "depthwise 5, few channels, stride 2": ("depthwise", (5, 5), 1, 0, {"stride": 2}),
    "depthwise 6 x 1, few channels": ("depthwise", (6, 1), 2, 0, {"dilation": (2, 1)}),
    "pointwise": ("pointwise", (1, 1), 24, 33, {}),
    "pointwise, few channels": ("pointwise", (1, 1), 3, 40, {}),
    "separable 3": ("separable", (3, 3), 24, 40, {}),
    "separable 3, stride 2": ("separable", (3, 3), 33, 17, {"stride": 2}),
    "separable 5": ("separable", (5, 5), 16, 31, {}),
    "separable 4 x 3, dilation": ("separable", (4, 3), 17, 32, {"dilation": (1, 3)}),
    "separable 5, few channels": ("separable", (5, 5), 3, 20, {}),
    "separable 7, few channels, stride 3": ("separable", (7, 7), 3, 5, {"stride": 3}),
}


@pytest.mark.parametrize("dtypes", [FLOATS[:1], *slow(FLOATS, DTYPES[2:])])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_image_size(name, dtypes):
    rng = np.random.default_rng(2024)
    kind, size, channels, results, options = FAMILIES[name]
    stride, dilation = pair(options.get("stride", 1)), pair(options.get("dilation", 1))
    problems = {
        dtype: make(rng, kind, size, channels, results, dtype, multiplier=1 + len(name) % 2)
        for dtype in ("float32", "float64")
    }
    share = 2 if len(dtypes) == 2 else 4  # each dtype meets every second size, or one of four
    for index, (h, w) in enumerate((h, w) for h in range(1, 21) for w in range(1, 21)):
        if (h + w) % share >= len(dtypes):
            continue
        src, dtype = dtypes[(h + w) % share]
        chosen = dict(options)
        if kind != "pointwise":
            pads = pads_of(("same", 3, ((4, 2), (5, 9)))[index % 3], (h, w), size, stride, dilation)
            spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
            fits = all(n + sum(pad) >= span for n, pad, span in zip((h, w), pads, spans, strict=True))
            chosen |= {"padding": pads if fits else "same", "mode": MODES[index % 5], "cval": float(rng.integers(2))}
        problem = with_stages(rng, Problem(kind, problems[dtype].kernels, chosen), int(rng.integers(60)))
        x = image(rng, src, (h, w, channels))
        if src == dtype and index % 7 in (3, 5):
            x.flat[index % x.size] = np.nan if index % 7 == 3 else np.inf
        problem.check(x)


@pytest.mark.parametrize("kind", ["depthwise", "separable"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("src", "dtype"), [("uint8", "float32"), pytest.param("uint16", "float64", marks=pytest.mark.slow)]
)
def test_in_place_and_packed_agree(src, dtype, stride, kind):
    """Images in the dtype of the arithmetic are read in place but near their border, others are packed."""
    rng = np.random.default_rng(stride)
    for index, width in enumerate(w for w in range(1, 41) for _ in range(2)):
        height, channels = int(rng.integers(1, 25)), int(rng.choice((16, 17, 24, 32, 40, 150)))
        few = [int(n) for n in rng.integers(0, 4, 4)]
        padding = ("same", ((few[0], few[1]), (few[2], few[3])))[index % 2]
        span = (1 + index // 7 % 3, 3)
        if padding != "same":
            height, width = max(height, span[0] - sum(padding[0])), max(width, span[1] - sum(padding[1]))
        options = {"padding": padding, "stride": stride, "mode": MODES[index % 5], "cval": 0.5}
        problem = with_stages(rng, make(rng, kind, span, channels, 10, dtype, **options), index)
        x = image(rng, src, (1 + index % 2, height, width, channels))
        assert same_bits(problem.check(x.astype(dtype)), problem.call(x)), problem.describe(x)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_large_images(kind, rng):
    for channels, results in ((3, 64), (32, 64)):
        x = image(rng, "float32", (120, 97, channels))
        options = {} if kind == "pointwise" else {"padding": "same", "mode": "mirror", "stride": (1, 2)}
        with_stages(rng, make(rng, kind, (5, 5), channels, results, "float32", **options), 7).check(x)


def test_many_channels_on_small_images(rng):
    for shape, channels, results in (((7, 7), 520, 1030), ((1, 1), 1024, 1000), ((14, 3), 257, 300)):
        problem = make(rng, "separable", (3, 3), channels, results, "float32", padding="same")
        problem.check(image(rng, "float32", (*shape, channels)))


@pytest.mark.parametrize("times", [12, *slow(40)])
def test_torch_agrees(times, rng):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional

    def tensor(array):
        return torch.from_numpy(np.ascontiguousarray(array))

    for index in range(times):
        channels, results, multiplier = int(rng.integers(1, 40)), int(rng.integers(1, 40)), index % 3 + 1
        size, stride, dilation, padding = (tuple(map(int, rng.integers(1, top, 2))) for top in (6, 4, 4, 4))
        options = {"stride": stride, "dilation": dilation, "padding": padding}
        x = rng.uniform(-1, 1, (2, channels, 20, 23))
        dense = rng.uniform(-1, 1, (results, channels, *size))
        result = fastsep.conv2d(x, dense, data_format="channels_first", **options)
        np.testing.assert_allclose(result, functional.conv2d(tensor(x), tensor(dense), **options), rtol=0, atol=1e-11)

        first = rng.uniform(-1, 1, (channels * multiplier, 1, *size))
        second = rng.uniform(-1, 1, (results, channels * multiplier, 1, 1))
        bias = rng.uniform(-1, 1, results)
        result = fastsep.separable_conv2d(x, first, second, bias=bias, data_format="channels_first", **options)
        between = functional.conv2d(tensor(x), tensor(first), groups=channels, **options)
        expected = functional.conv2d(between, tensor(second), tensor(bias))
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-11)


# ---- known values


def test_kernels_are_not_flipped():
    x = np.arange(9.0).reshape(3, 3, 1)
    kernel = np.zeros((3, 3, 1, 1))
    kernel[0, 2] = 1
    assert fastsep.conv2d(x, kernel) == 2
    assert fastsep.depthwise_conv2d(x, kernel[..., 0]) == 2


def test_order_of_the_channels_of_a_depth_multiplier():
    x = np.array([[[1.0, 10.0]]])
    kernel = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    expected = [[[1, 2, 3, 40, 50, 60]]]
    assert fastsep.depthwise_conv2d(x, kernel).tolist() == expected
    assert fastsep.separable_conv2d(x, kernel, np.eye(6)).tolist() == expected
    first = kernel.reshape(6, 1, 1, 1)
    result = fastsep.depthwise_conv2d(x.transpose(2, 0, 1), first, data_format="channels_first")
    assert result.ravel().tolist() == expected[0][0]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "first", "count"),
    # Where the first kernel starts, and how many there are: TensorFlow pads an odd pixel behind.
    [
        (5, 3, 1, -1, 5),
        (5, 3, 2, -1, 3),
        (6, 3, 2, 0, 3),
        (6, 2, 1, 0, 6),
        (5, 2, 2, 0, 3),
        (7, 1, 3, 0, 3),
        (6, 7, 3, -2, 2),
    ],
)
def test_padding_same(size, kernel, stride, first, count):
    x = np.arange(1.0, size + 1)[:, None, None] * np.ones((1, 1, 1))
    taps = np.zeros((kernel, 1, 1))
    taps[-1] = 1  # sees the last pixel under the kernel
    result = fastsep.depthwise_conv2d(x, taps, padding="same", stride=(stride, 1))
    places = first + stride * np.arange(count) + kernel - 1
    assert result.ravel().tolist() == [place + 1 if place < size else 0 for place in places]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("constant", [9, 9, 9, 1, 2, 3, 9, 9, 9]),
        ("reflect", [3, 2, 1, 1, 2, 3, 3, 2, 1]),
        ("nearest", [1, 1, 1, 1, 2, 3, 3, 3, 3]),
        ("wrap", [1, 2, 3, 1, 2, 3, 1, 2, 3]),
        ("mirror", [2, 3, 2, 1, 2, 3, 2, 1, 2]),
        ("grid-constant", [9, 9, 9, 1, 2, 3, 9, 9, 9]),
        ("grid-mirror", [3, 2, 1, 1, 2, 3, 3, 2, 1]),
        ("grid-wrap", [1, 2, 3, 1, 2, 3, 1, 2, 3]),
    ],
)
def test_modes(mode, expected):
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    kernel = np.ones((1, 1, 1))
    assert fastsep.depthwise_conv2d(x, kernel, padding=(0, 3), mode=mode, cval=9).ravel().tolist() == expected
    column = fastsep.depthwise_conv2d(x.reshape(3, 1, 1), kernel, padding=(3, 0), mode=mode, cval=9)
    assert column.ravel().tolist() == expected


def test_padding_may_be_written_in_capitals(rng):
    x, taps = rng.random((7, 9, 2)), rng.random((3, 4, 2))
    for word in ("same", "valid"):
        found = fastsep.depthwise_conv2d(x, taps, padding=word.upper())
        assert same_bits(found, fastsep.depthwise_conv2d(x, taps, padding=word))
        shape = fastsep.conv_cost(x.shape, (3, 4), 5, padding=word.upper()).output_shape
        assert shape[:2] == found.shape[:2]


def test_padding_much_larger_than_the_image(rng):
    for mode in MODES:
        for kind in ("dense", "depthwise", "separable"):
            for shape in ((1, 1), (2, 3), (5, 1)):
                options = {"padding": ((17, 0), (3, 40)), "mode": mode, "cval": 2.5}
                make(rng, kind, (3, 3), 17, 5, "float64", **options).check(image(rng, "float64", (*shape, 17)))


def test_activations_clip_after_the_bias():
    x = np.array([-2.0, -1.0, 0.5, 3.0, 9.0, np.nan, np.inf, -np.inf]).reshape(1, -1, 1)

    def run(**options):
        return fastsep.pointwise_conv2d(x, np.ones((1, 1)), **options).ravel()

    np.testing.assert_array_equal(run(activation="relu"), [0, 0, 0.5, 3, 9, np.nan, np.inf, 0])
    np.testing.assert_array_equal(run(activation="relu6", bias=[1]), [0, 0, 1.5, 4, 6, np.nan, 6, 0])
    np.testing.assert_array_equal(run(activation=(-1, 4)), [-1, -1, 0.5, 3, 4, np.nan, 4, -1])
    np.testing.assert_array_equal(run(activation=[-math.inf, 2]), [-2, -1, 0.5, 2, 2, np.nan, 2, -np.inf])
    np.testing.assert_array_equal(run(activation=(1, 1)), [1, 1, 1, 1, 1, np.nan, 1, 1])


def test_a_bias_may_be_of_any_real_dtype_and_value():
    x, kernel = np.ones((2, 2, 3), "f4"), np.ones((3, 4), "f4")
    for bias in ([1, 2, 3, 4], np.array([True, False, True, True]), np.arange(4, dtype=">i2"), np.float16([0.5] * 4)):
        result = fastsep.pointwise_conv2d(x, kernel, bias=bias)
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, np.broadcast_to(3 + np.asarray(bias, float), (2, 2, 4)))
    result = fastsep.pointwise_conv2d(x, kernel, bias=[np.nan, np.inf, -np.inf, 1e300])
    np.testing.assert_array_equal(result[1, 1], [np.nan, np.inf, -np.inf, np.inf])
    assert (fastsep.pointwise_conv2d(x, kernel, activation=(-1e300, 1e300)) == 3).all()


def test_sizes_may_be_numpy_numbers_and_whole_floats(rng):
    x, kernel = rng.random((9, 9, 2)), rng.random((3, 3, 2))
    expected = fastsep.depthwise_conv2d(x, kernel, stride=2, padding=((1, 2), (3, 4)), dilation=(2, 1))
    result = fastsep.depthwise_conv2d(
        x, kernel, stride=2.0, padding=np.array([[1, 2], [3, 4]]), dilation=[np.int8(2), np.float32(1)]
    )
    assert same_bits(result, expected)


def test_steps_too_large_for_any_image_are_harmless(rng):
    x, kernel = rng.random((3, 4, 20)), rng.random((1, 1, 20))
    options = {"stride": 2**31 - 1, "dilation": 2**31 - 1}
    np.testing.assert_array_equal(fastsep.depthwise_conv2d(x, kernel, **options), x[:1, :1] * kernel)


# ---- dtypes


@pytest.mark.parametrize(
    ("kernels", "image_dtype", "expected"),
    [
        *((("f4", "f4"), name, "f4") for name in ("f2", "f4", "?", "u1", "u2", "i1", "i4", "i8", "u8")),
        *((("f2", "f2"), name, "f4") for name in ("f2", "f4", "u1")),
        *((("f4", "i8"), name, "f4") for name in ("f4", "u1")),
        *((("f8", "f8"), name, "f8") for name in ("f2", "f4", "f8", "?", "u1", "i4")),
        *((("f4", "f8"), name, "f8") for name in ("f4", "u1")),
        *((("f4", "f4"), name, "f8") for name in ("f8", "g")),
        *((("i8", "u1"), name, "f8") for name in ("f8", "?", "u1", "i8")),
        pytest.param(("i8", "u1"), "u2", "f8", marks=pytest.mark.slow),
        *((("i8", "?"), name, "f4") for name in ("f2", "f4")),
        (("g", "f4"), "f4", "f8"),
    ],
)
def test_dtype_of_the_result(kernels, image_dtype, expected, rng):
    first = rng.integers(0, 2, (3, 3, 3)).astype(kernels[0])
    second = rng.integers(0, 2, (3, 5)).astype(kernels[1])
    x = rng.integers(0, 2, (6, 7, 3)).astype(image_dtype)
    result = fastsep.separable_conv2d(x, first, second)
    assert result.dtype == expected
    # Sums of small integers are exact.
    np.testing.assert_array_equal(result, fastsep.separable_conv2d(*(a.astype("f8") for a in (x, first, second))))
    layer = fastsep.SeparableConv2D(first, second)
    assert layer(x).dtype == expected
    assert layer.dtype == layer(x.astype("u1")).dtype


@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("name", ["?", "i1", "u1", "i2", "i4", "u4", "i8", "u8", "f2", *slow("u2")])
def test_images_of_any_dtype_are_not_rescaled(name, channels, rng):
    dtype = np.dtype(name)
    top = {"b": 1, "f": 100}.get(dtype.kind) or min(np.iinfo(dtype).max, 2**20)
    low = -top if dtype.kind in "if" else 0
    x = rng.integers(low, top, (9, 8, channels), endpoint=True).astype(dtype)
    kernel = rng.integers(-2, 3, (3, 3, channels)).astype("f4")
    for padding, cval in (("valid", 0), ("same", 0), ("same", 3), ("same", -1), ("same", 0.5), ("same", 70000)):
        options = {"padding": padding, "cval": cval}
        result = fastsep.depthwise_conv2d(x, kernel, **options)
        assert result.dtype == np.float32
        exact = fastsep.depthwise_conv2d(x.astype("f8"), kernel, **options)
        np.testing.assert_array_equal(result, exact.astype("f4"))


def test_the_value_outside_may_be_anything(rng):
    kernel = np.ones((3, 3, 2), "f4")
    for x in (np.ones((4, 5, 2), "u1"), np.ones((4, 5, 2), "f4")):
        for cval in (np.nan, np.inf, -np.inf, -3, 256, 0.1, 1e300):
            result = fastsep.depthwise_conv2d(x, kernel, padding=1, cval=cval)
            expected = np.inf if cval == 1e300 else 5 * cval + 4
            np.testing.assert_allclose(result[0, 0], np.float32([expected] * 2), rtol=1e-6)
            np.testing.assert_array_equal(result[1:-1, 1:-1], 9)
        # It is not looked at where there is no padding, or another mode.
        np.testing.assert_array_equal(fastsep.depthwise_conv2d(x, kernel, cval=np.nan), np.full((2, 3, 2), 9))
        result = fastsep.depthwise_conv2d(x, kernel, padding=1, mode="wrap", cval=np.nan)
        np.testing.assert_array_equal(result, np.full((4, 5, 2), 9))


# ---- layouts


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", *slow("uint8", "uint16")])
def test_layouts_of_image_and_kernels(kind, dtype, rng):
    for shape in ((8, 9, 5), (2, 7, 6, 20)):
        problem = make(rng, kind, (3, 3), shape[-1], 6, "float64")
        x = image(rng, dtype, shape)
        expected = problem.check(x)
        for name, other in layouts(x).items():
            result = problem.call(other)
            assert same_bits(result, expected), name
            assert type(result) is np.ndarray
        for each in zip(*(layouts(kernel).values() for kernel in problem.kernels), strict=True):
            assert same_bits(Problem(kind, each).call(x), expected)


def channels_first(problem, x):
    """Arguments with channels first that mean the same."""

    def kernel(values):
        if values is problem.kernels[0] and problem.kind in ("depthwise", "separable"):
            return values.reshape(*values.shape[:2], 1, -1).transpose(3, 2, 0, 1)
        return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T

    return np.moveaxis(x, -1, -3), *map(kernel, problem.kernels)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_channels_first(kind, rng):
    for index, channels in enumerate((1, 3, 16, 21)):
        options = {} if kind == "pointwise" else {"padding": ((1, 2), (0, 1)), "mode": "reflect", "dilation": (1, 2)}
        problem = make(rng, kind, (3, 2), channels, 7, "float32", multiplier=index % 3 + 1, stride=(2, 1), **options)
        problem = with_stages(rng, problem, index + 1)
        for x in (image(rng, "float32", (9, 8, channels)), image(rng, "uint8", (2, 9, 8, channels))):
            expected = np.moveaxis(problem.call(x), -1, -3)
            arguments = channels_first(problem, x)
            function = getattr(fastsep, FUNCTIONS[kind])
            for contiguous in (False, True):
                if contiguous:
                    arguments = tuple(map(np.ascontiguousarray, arguments))
                result = function(*arguments, data_format="channels_first", **problem.options)
                assert same_bits(result, np.ascontiguousarray(expected))
                assert result.flags.c_contiguous
                out = np.full_like(result, 7)
                got = function(*arguments, data_format="channels_first", out=out, **problem.options)
                assert got is out
                assert same_bits(out, result)
            if kind in LAYERS:
                layer = Problem(kind, arguments[1:], {"data_format": "channels_first", **problem.options}).layer()
                for _ in range(2):
                    assert same_bits(layer(arguments[0]), result)
                assert layer.output_shape(arguments[0].shape) == result.shape


def test_pointwise_kernels_of_two_axes_and_four(rng):
    x, first, second = rng.random((5, 6, 4)), rng.random((3, 3, 4)), rng.random((4, 7))
    four = second[None, None]
    assert same_bits(fastsep.pointwise_conv2d(x, four), fastsep.pointwise_conv2d(x, second))
    assert same_bits(fastsep.separable_conv2d(x, first, four), fastsep.separable_conv2d(x, first[..., None], second))
    turned = np.moveaxis(x, -1, 0)
    assert same_bits(
        fastsep.pointwise_conv2d(turned, second.T, data_format="channels_first"),
        fastsep.pointwise_conv2d(turned, second.T[..., None, None], data_format="channels_first"),
    )


# ---- empty


def test_an_empty_batch_gives_an_empty_result():
    for kind in FUNCTIONS:
        problem = make(np.random.default_rng(0), kind, (3, 3), 4, 6, "float32")
        x = np.ones((0, 9, 8, 4), "f4")
        result = problem.call(x)
        assert result.shape == (0, *problem.call(np.ones((9, 8, 4), "f4")).shape)
        assert result.dtype == np.float32
        assert problem.call(x, out=result) is result


@pytest.mark.parametrize("dtype", ["float32", *slow("uint8")])
@pytest.mark.parametrize(("padding", "cval"), [(2, 1), (((0, 3), (2, 1)), 4), (((3, 0), (0, 3)), 0.5)])
def test_an_image_without_pixels_may_have_padding(dtype, padding, cval):
    kernel = np.ones((3, 2, 4), "f4")
    for shape in ((0, 5, 4), (5, 0, 4), (0, 0, 4), (2, 0, 3, 4)):
        result = fastsep.depthwise_conv2d(np.ones(shape, dtype), kernel, padding=padding, cval=cval)
        (top, bottom), (left, right) = pads_of(padding, None, None, None, None)
        full = np.ones((shape[-3] + top + bottom, shape[-2] + left + right, 4), "f4") * np.float32(cval)
        full[top : top + shape[-3], left : left + shape[-2]] = 1
        expected = fastsep.depthwise_conv2d(full, kernel)
        np.testing.assert_array_equal(result, np.broadcast_to(expected, (*shape[:-3], *expected.shape)))


# ---- out


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("shape", [(9, 8, 5), (2, 9, 8, 20)])
def test_out(kind, shape, rng):
    problem = make(rng, kind, (3, 3), shape[-1], 6, "float32")
    x = image(rng, "float32", shape)
    expected = problem.check(x)
    full = np.full((*expected.shape[:-1], 2 * expected.shape[-1]), 5, "f4")
    raw = np.zeros(expected.nbytes + 1, np.uint8)
    for out in (
        np.empty_like(expected),
        full[..., ::2],
        raw[1:].view("f4").reshape(expected.shape),
        np.empty_like(expected, ">f4"),
        np.empty_like(expected, order="F"),
        np.empty_like(expected).view(type("Subclass", (np.ndarray,), {})),
    ):
        out[...] = 7
        assert problem.call(x, out=out) is out
        np.testing.assert_array_equal(out, expected)
    assert (full[..., 1::2] == 5).all()


def test_out_may_overlap_the_image(rng):
    channels, h, w = 20, 70, 60  # several tiles: of one alone the engine may read all before it writes
    kernels = make(rng, "separable", (3, 3), channels, channels, "float32").kernels
    layer = fastsep.SeparableConv2D(*kernels, padding="same")
    for call in (layer, lambda x, out: fastsep.separable_conv2d(x, *kernels, padding="same", out=out)):
        for shift in (0, 1, channels, 3 * channels, 150):
            room = image(rng, "float32", (h * w * channels + shift,))
            x, out = room[: room.size - shift].reshape(h, w, channels), room[shift:].reshape(h, w, channels)
            expected = layer(x.copy())
            for _ in range(2):
                before = x.copy()
                assert call(x, out=out) is out
                assert same_bits(out, expected)
                x[...] = before
            own = x.copy()
            for same in (x, own):
                assert call(same, out=same) is same
                assert same_bits(same, expected)


def test_out_may_be_a_kernel_or_a_bias(rng):
    x = image(rng, "float32", (5, 5, 4))
    kernel = rng.random((4, 4)).astype("f4")
    expected = fastsep.pointwise_conv2d(x[:2, :2], kernel)
    assert same_bits(
        fastsep.pointwise_conv2d(x[:2, :2], kernel, out=kernel.reshape(-1)[:16].reshape(2, 2, 4)), expected
    )
    first, bias = rng.random((3, 3, 4)).astype("f4"), rng.random(4).astype("f4")
    expected = fastsep.depthwise_conv2d(x, first, bias=bias)
    assert same_bits(fastsep.depthwise_conv2d(x, first, bias=bias, out=first), expected)
    expected = fastsep.depthwise_conv2d(x[:3, :3], np.ones((3, 3, 4), "f4"), bias=bias)
    result = fastsep.depthwise_conv2d(x[:3, :3], np.ones((3, 3, 4), "f4"), bias=bias, out=bias[None, None])
    assert same_bits(result, expected)


# ---- promises


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [3, 7, 21, 40])
def test_what_is_not_finite_stays_inside_the_kernels_footprint(channels, value, rng):
    for index, kind in enumerate(FUNCTIONS):
        for h, w in ((9, 11), (30, 21)):
            options = {"padding": "same", "stride": 1 + index % 2, "mode": MODES[index]} if kind != "pointwise" else {}
            problem = make(rng, kind, (3, 3), channels, 18, "float32", **options)
            for y, x in ((0, 0), (h // 2, w // 2), (h - 1, w - 1), (0, w - 1)):
                pixels = image(rng, "float32", (h, w, channels))
                pixels[y, x, (x + y) % channels] = value
                problem.check(pixels)  # compares what is not finite, too


@pytest.mark.parametrize("dtypes", DTYPES[:3], ids=" ".join)
@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.usefixtures("small_images_go_parallel")
def test_workers_do_not_change_a_bit(kind, dtypes, rng):
    src, dtype = dtypes
    for shape, channels in (((61, 70), 3), ((45, 52), 24), ((7, 7), 160), ((2, 33, 30), 17), ((3, 5, 4), 96)):
        options = {} if kind == "pointwise" else {"padding": "same", "mode": "reflect"}
        problem = make(rng, kind, (3, 3), channels, 72, dtype, multiplier=2, **options)
        problem = with_stages(rng, problem, 9)
        x = image(rng, src, (*shape, channels))
        if src == dtype:
            x.flat[x.size // 2] = np.nan
        expected = problem.check(x, workers=1)
        for workers in (None, *range(2, 10)):
            assert same_bits(problem.call(x, workers=workers), expected), f"{problem.describe(x)}, workers={workers}"


def test_nothing_beside_the_result_is_written(rng):
    for index in range(60):
        kind = tuple(FUNCTIONS)[index % 4]
        channels, results = int(rng.integers(1, 40)), int(rng.integers(1, 40))
        options = {} if kind == "pointwise" else {"padding": "same"}
        problem = make(rng, kind, (3, 3), channels, results, FLOATS[index % 2][1], **options)
        x = image(rng, problem.kernels[0].dtype, (*rng.integers(1, 12, 2), channels))
        expected = problem.call(x)
        room = np.full(expected.size + 128, 7, expected.dtype)
        start = index % 64
        out = room[start : start + expected.size].reshape(expected.shape)
        # NaN around the image: reading it may not change the result either.
        around = np.full(x.size + 128, np.nan, x.dtype)
        inside = around[start : start + x.size].reshape(x.shape)
        inside[...] = x
        assert same_bits(problem.call(inside, out=out), expected)
        assert (room[:start] == 7).all()
        assert (room[start + expected.size :] == 7).all()
