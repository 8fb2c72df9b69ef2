"""How a layer runs: what `choose_variant` decides, and that no decision changes a bit of a result."""

import numpy as np
import pytest
from helpers import MODES, same_bits, slow
from layer_variants import drawn, forced, neighbours

from fastsep._kernels import jit
from fastsep._kernels.layers import arguments as at
from fastsep._ops.layers import variant as variants
from fastsep._ops.layers.calls import pack
from fastsep._ops.layers.prepared import PreparedLayer
from fastsep._ops.layers.variant import choose_variant
from fastsep._plan import convolution, tuning

F4 = np.dtype("float32")


def layer(kind, shape, size=3, results=64, *, multiplier=1, stride=1, padding="same", dilation=1, dtype="float32",
          source=None, mode="constant", rng=None):  # fmt: skip
    """A spec, and what it makes of images of `shape`; weights are zero unless there is a generator."""

    def kernel(*shape):
        return (np.zeros(shape) if rng is None else rng.uniform(-1, 1, shape)).astype(dtype)

    def bias(count):
        return None if rng is None else rng.uniform(-1, 1, count)

    channels, where = shape[-1], (stride, padding, dilation, mode, 1.0, "channels_last")
    between = channels * multiplier
    size = (size, size) if isinstance(size, int) else size
    if kind == "dense":
        spec = convolution.dense(kernel(*size, channels, results), bias(results), (-1, 2), *where)
    elif kind == "depthwise":
        spec = convolution.depthwise(kernel(*size, channels, multiplier), bias(between), (-1, 2), *where)
    else:
        kernels = kernel(*size, channels, multiplier), kernel(between, results)
        spec = convolution.separable(*kernels, bias(between), bias(results), "relu6", (-1, 2), *where)
    return spec, convolution.image_of(spec, shape, np.dtype(source or dtype))


# ---- what is chosen

#: From every network's first layer to its last, and images of other kinds.
LAYERS = {
    "colours, dense": layer("dense", (224, 224, 3), stride=2),
    "colours, separable": layer("separable", (1080, 1920, 3), 5, 16),
    "colours of bytes": layer("separable", (480, 640, 3), 5, 64, source="uint8"),
    "colours, depthwise": layer("depthwise", (480, 640, 3), 5),
    "colours, multiplied": layer("depthwise", (48, 64, 3), 5, multiplier=2, stride=3),
    "wide": layer("separable", (112, 112, 64), 3, 128),
    "wide, stride 2": layer("separable", (112, 112, 64), 3, 128, stride=2),
    "wide, 5": layer("separable", (56, 56, 128), 5, 128),
    "wide, large": layer("separable", (480, 640, 64), 3, 64),
    "odd": layer("separable", (28, 28, 240), 5, 49),
    "deep": layer("separable", (14, 14, 512), 3, 512),
    "deepest": layer("separable", (7, 7, 1024), 3, 1024),
    "one pixel": layer("dense", (1, 1, 1024), 1, 1000),
    "depthwise": layer("depthwise", (56, 56, 128)),
    "depthwise of bytes": layer("depthwise", (56, 56, 128), source="uint8"),
    "depthwise, large": layer("depthwise", (480, 640, 64)),
    "depthwise, large, 5": layer("depthwise", (224, 224, 64), 5),
    "depthwise, small": layer("depthwise", (7, 7, 1024), 3),
    "depthwise, multiplied": layer("depthwise", (28, 28, 64), 3, multiplier=2),
    "depthwise, dilated": layer("depthwise", (28, 28, 64), 3, dilation=2),
    "dense": layer("dense", (56, 56, 64)),
    "dense, stride 2": layer("dense", (56, 56, 64), stride=2),
    "pointwise": layer("dense", (56, 56, 64), 1, 256),
    "pointwise, large": layer("dense", (480, 640, 64), 1, 32),
    "float64": layer("separable", (56, 56, 64), 3, 64, dtype="float64"),
}


@pytest.mark.parametrize("name", [name for name in variants.Variant._fields if name != "planes"])
def test_layers_of_networks_run_in_more_than_one_way(name):
    """A choice that is always the same would be none."""
    seen = {getattr(choose_variant(*layer, threads), name) for layer in LAYERS.values() for threads in (1, 2, 8)}
    if name == "vectors" and jit.target().tile != 8:
        assert seen == {2}
    else:
        assert len(seen) > 1


@pytest.mark.parametrize("name", LAYERS)
def test_channels_are_planes_where_they_fill_no_vector(name):
    spec, image = LAYERS[name]
    lanes = jit.target().vector_bytes // image.dtype.itemsize
    assert choose_variant(spec, image, 1).planes == (image.channels < lanes)


@pytest.mark.parametrize("level", jit.LEVELS, indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_order_of_additions_is_the_same_on_every_cpu(dtype, level):
    """That of planes for all channels that fill no vector of 64 bytes."""
    widest = 64 // np.dtype(dtype).itemsize
    for channels in (1, 3, widest // 2, widest - 1, widest, 3 * widest):
        for size in (3, (2, 5), 7):
            for kind in ("depthwise", "separable"):
                variant = choose_variant(*layer(kind, (9, 11, channels), size, dtype=dtype), 1)
                assert variant.by_columns == (channels < widest)
            # The rows of a matrix are in another order where multiples are in blocks.
            for size in (3, (1, 3)):
                variant = choose_variant(*layer("separable", (9, 11, channels), size, multiplier=2, dtype=dtype), 1)
                assert variant.planes == (channels < widest)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_packed_for_any_number_of_threads_and_size_of_image(name):
    spec, image = LAYERS[name]
    other = convolution.image_of(spec, (2, 9, 11, image.channels), image.dtype)
    found = [choose_variant(spec, *each) for each in ((image, 1), (image, 2), (image, 64), (other, 3))]
    assert len({(variant.planes, variant.by_columns, variant.vectors) for variant in found}) == 1


@pytest.mark.parametrize(
    ("name", "threads", "expected"),
    [
        ("wide", 1, {"in_place": True, "writes_out": False}),
        ("wide, 5", 1, {"in_place": False}),  # packed pixels are used often
        ("wide, large", 1, {"in_place": False, "streamed": True}),
        ("depthwise", 1, {"in_place": True, "writes_out": True, "streamed": False}),
        ("depthwise of bytes", 1, {"in_place": False, "writes_out": True}),  # pixels have to be converted
        ("depthwise, large", 1, {"in_place": True, "streamed": True}),
        ("depthwise, large, 5", 1, {"in_place": True, "streamed": True}),
        ("depthwise, multiplied", 1, {"writes_out": False, "joined": 2}),
        ("depthwise, dilated", 1, {"unrolled": (0, 0)}),
        ("depthwise, small", 2, {"stages": (at.FIRST,), "threads": 2}),
        ("colours, dense", 1, {"zero_copy": True, "planes": True}),
        ("dense", 1, {"zero_copy": True}),
        ("dense, stride 2", 1, {"zero_copy": False}),
        ("pointwise", 1, {"zero_copy": True}),
        ("one pixel", 2, {"stages": (at.FIRST, at.SECOND), "threads": 2}),
        ("one pixel", 1, {"stages": (at.BOTH,), "threads": 1, "bands": 1}),
        ("colours, separable", 2, {"split": (3, 1), "unrolled": (5, 1), "streamed": True, "threads": 2}),
        ("colours, multiplied", 1, {"split": (0, 0), "unrolled": (0, 0)}),
        ("colours, depthwise", 1, {"joined": 3, "writes_out": False}),
    ],
)
def test_choices_for_known_layers(name, threads, expected):
    chosen = choose_variant(*LAYERS[name], threads)
    assert {field: getattr(chosen, field) for field in expected} == expected


def test_threads_share_a_depthwise_layer_whose_values_are_many():
    """Its multiply-adds alone, 0.8 million, would be work for one thread."""
    spec, image = layer("depthwise", (14, 14, 672), 5, stride=2)
    assert PreparedLayer(spec, image, None).work >= 2 * tuning.SHARED_WORK
    spec, image = layer("depthwise", (7, 7, 512), 3)
    assert PreparedLayer(spec, image, None).work < 2 * tuning.SHARED_WORK


def test_threads_share_the_weights_of_a_single_pixel():
    """Reading them takes far longer than its multiply-adds, a million, where they do not stay in the cache."""
    for results, far in ((1000, True), (16, False)):
        spec, image = layer("dense", (1, 1, 1024), 1, results)
        work = PreparedLayer(spec, image, pack(spec, image)).work
        assert (work > tuning.OUTLASTING_WORK) == far


@pytest.mark.parametrize("name", LAYERS)
def test_bands_have_something_to_do(name):
    spec, image = LAYERS[name]
    images, rows, cols, _ = image.result_shape
    for threads in (1, 2, 7, 64):
        variant = choose_variant(spec, image, threads)
        assert 1 <= variant.tiles_y <= rows
        assert 1 <= variant.tile_cols <= cols
        assert 1 <= variant.chunk <= variants.groups_of(image, variant)
        assert variant.threads <= variant.bands
        if variant.stages == (at.BOTH,):
            assert variant.bands <= images * variant.tiles_y * -(-cols // variant.tile_cols)
            assert variant.threads == threads or rows * cols < 100 * threads


# ---- what is run

PROBLEMS = {
    "colours": ("separable", (23, 37, 3), {"size": 5, "results": 17}),
    "colours, stride": ("separable", (23, 37, 4), {"size": 3, "results": 5, "stride": 2}),
    "colours, dense": ("dense", (23, 31, 3), {"results": 40}),
    "colours, depthwise": ("depthwise", (19, 21, 3), {"size": 3}),
    "separable": ("separable", (19, 31, 40), {"results": 130}),
    "separable, stride": ("separable", (29, 31, 33), {"results": 64, "stride": 2}),
    "separable, multiplied": ("separable", (9, 17, 20), {"results": 33, "multiplier": 2}),
    "depthwise": ("depthwise", (21, 37, 40), {}),
    "depthwise of bytes": ("depthwise", (21, 37, 40), {"source": "uint8"}),
    "depthwise, multiplied": ("depthwise", (9, 17, 20), {"multiplier": 3}),
    "dense": ("dense", (17, 30, 20), {"results": 65}),
    "pointwise": ("dense", (9, 31, 40), {"size": 1, "results": 64}),
    "a batch": ("separable", (2, 9, 8, 24), {"results": 40}),
}
#: Those that AVX2's vectors take in blocks, adding up in the order of planes; in float64 of half as many channels.
NARROW = {
    "separable": ("separable", (19, 31, 12), {"results": 33}),
    "separable, stride": ("separable", (29, 31, 9), {"results": 20, "stride": 2}),
    "depthwise": ("depthwise", (21, 37, 15), {}),
    "depthwise, 5": ("depthwise", (21, 37, 12), {"size": (5, 3), "stride": 2}),
    "depthwise of bytes": ("depthwise", (21, 37, 13), {"source": "uint8", "size": (3, 4)}),
    "depthwise, multiplied": ("depthwise", (9, 17, 14), {"multiplier": 3}),
    "depthwise, dilated": ("depthwise", (21, 37, 11), {"dilation": 2}),
}


def check_variants(problem, number, dtype):
    kind, shape, options = problem
    rng = np.random.default_rng(number)
    spec, image = layer(kind, shape, **options, dtype=dtype, mode=MODES[number % 5], rng=rng)
    values = (rng.random(shape) * 200).astype(image.source)
    chosen = choose_variant(spec, image, 1)
    expected = forced(spec, image, chosen).run_single(values, None, 1)
    tried = [*neighbours(spec, image, chosen), *(drawn(spec, image, chosen, rng) for _ in range(20))]
    assert len(tried) > 25
    for variant in tried:
        out = np.full(expected.shape, np.nan, dtype)
        forced(spec, image, variant).run_single(values, out, 1)
        assert same_bits(out, expected), f"{variant}, not {chosen}"


@pytest.mark.parametrize("dtype", ["float32", *slow("float64")])
@pytest.mark.parametrize("name", PROBLEMS)
def test_no_choice_changes_a_bit(name, dtype):
    check_variants(PROBLEMS[name], list(PROBLEMS).index(name), dtype)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["x86-64-v3"], indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NARROW)
def test_no_choice_changes_a_bit_of_few_channels_in_blocks(name, dtype, level):
    kind, (rows, cols, channels), options = NARROW[name]
    channels = channels * 4 // np.dtype(dtype).itemsize
    check_variants((kind, (rows, cols, channels), options), list(NARROW).index(name), dtype)
