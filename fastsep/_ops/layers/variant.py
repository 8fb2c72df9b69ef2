"""How a layer runs: every choice that changes its speed and not its result, made in one place.

`choose_variant` is what calls use. Tests force other variants, and compare bits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastsep._engine.argument_writer import odd_lines
from fastsep._engine.bands import bands_of
from fastsep._kernels import jit
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS, matrix_rows
from fastsep._ops.layers.weights import lanes_of, panels
from fastsep._plan import tuning
from fastsep._plan.convolution import LayerImage, LayerSpec
from fastsep._validation.array_like import DType

Pair = tuple[int, int]
Key = tuple[str, ...]

#: Bytes of the widest vectors.
WIDEST = jit.WIDEST
#: A strip that holds every pixel of a tile.
ALL = 1 << 40


class Variant(NamedTuple):
    """Every choice of how a layer runs on images of one shape and dtype, on a number of threads."""

    # Of the weights and channels alone
    planes: bool  # channels are packed one by one; else in blocks of as many as a vector has lanes
    by_columns: bool  # taps of a depthwise kernel are added up column by column, as always in planes; else row by row
    vectors: int  # width of the matrix's panels: 2, or 4 where they are near
    # Which kernels run
    writes_out: bool  # blocks: depthwise results go straight into the caller's array, and no stage follows
    zero_copy: bool  # packed pixels are the factors of the matrix product, without im2col
    in_place: bool  # blocks: what lies inside the image is filtered where it is, and only the rest packed
    unrolled: Pair  # size and stride along x (planes: y) of the depthwise kernels unrolled; (0, 0): any
    split: Pair  # planes: channels that are told apart in registers together, and their stride; (0, 0): one by one
    joined: int  # channels (blocks: multiples) of depthwise results interleaved in registers; 0: any
    # How the work is cut
    stages: tuple[int, ...] = (at.BOTH,)  # bands share tiles; or channels in (FIRST,), and then panels in (.., SECOND)
    tiles_y: int = 1  # tiles from top to bottom
    tile_cols: int = 1  # columns of a tile
    chunk: int = 1  # channels (blocks: groups of them) packed and filtered before the next are
    strip: int = ALL  # pixels that pass all panels before the next do
    streamed: bool = False  # results are written past the caches, as many together as are finished together
    threads: int = 1  # that find something to do
    bands: int = 1  # of which each thread takes one after the other


def choose_variant(spec: LayerSpec, image: LayerImage, threads: int) -> Variant:
    """The variant that should be fastest on so many threads.

    `planes`, `by_columns` and `vectors` depend on the weights, the number of channels and the dtype of the arithmetic
    only, so that weights are packed once for all images; which kernels run depends on the image, too; how the work is
    cut, on all.
    """
    planes, by_columns, vectors = choose_packing(spec, image)
    multiplier = multiplier_of(spec, image)
    single = spec.depthwise is not None and not planes and multiplier == 1
    joined = multiplier if not planes else spec.results
    variant = Variant(
        planes=planes,
        by_columns=by_columns,
        vectors=vectors,
        writes_out=single and spec.depthwise_only,
        zero_copy=spec.dense is not None and _is_zero_copy(spec, image, planes),
        in_place=single and _is_in_place(spec, image, by_columns),
        unrolled=_unrolled(spec, image, planes, by_columns),
        split=(image.channels, image.stride[1]) if planes and image.channels in (2, 3, 4) and image.stride[1] <= 2
        else (0, 0),
        joined=joined if joined in (2, 3, 4) else 0,
    )  # fmt: skip
    stages = _stages(spec, image, variant, threads)
    images, _, cols, _ = image.result_shape
    tiles_y, tile_cols = _tiles(spec, image, variant, threads) if stages == (at.BOTH,) else (1, cols)
    chunk = _chunk(spec, image, variant, tiles_y, tile_cols)
    strip = strip_of(spec.depth, spec.results, image.dtype, vectors)
    if stages == (at.BOTH,):
        finished = strip < ALL if spec.depth else variant.writes_out and chunk == groups_of(image, variant)
        streamed, units = finished and is_large(image), images * tiles_y * -(-cols // tile_cols)
    else:
        streamed, units = False, _shares(spec, image, variant)
    threads = max(min(threads, units), 1)
    if stages == (at.FIRST,):
        # As one piece, a thread's channels are read faster (measured: 8 to 20 % of 17 to 28 us).
        bands = threads
    else:
        # A band of two tiles among those of one would be waited for.
        bands = units if threads > 1 and units <= tuning.FEW_UNITS * threads else bands_of(threads, units)
    return variant._replace(
        stages=stages, tiles_y=tiles_y, tile_cols=tile_cols, chunk=chunk, strip=strip, streamed=streamed,
        threads=threads, bands=bands,
    )  # fmt: skip


def choose_packing(spec: LayerSpec, image: LayerImage) -> tuple[bool, bool, int]:
    """`planes`, `by_columns` and `vectors` of a variant.

    The order of additions is the same on every CPU: that of planes for all channels that are planes somewhere.
    """
    few = spec.depthwise is not None and image.channels < WIDEST // image.dtype.itemsize
    # The matrix has its rows in another order where results of several kernels for a channel are in blocks.
    mixed = spec.depth > 0 and multiplier_of(spec, image) > 1
    planes = image.channels < lanes_of(image.dtype) or (few and mixed)
    by_columns = few and (planes or min(spec.size) > 1)
    return planes, by_columns, _vectors(spec, image, planes)


def kernel_keys(spec: LayerSpec, image: LayerImage, variant: Variant) -> dict[str, Key]:
    """The kernels of a variant, by the fields that hold their addresses."""
    layout, dtype = "planes" if variant.planes else "blocks", image.dtype.name
    packed = "in_place" if variant.in_place else layout
    keys: dict[str, Key] = {"pack": ("pack", packed, *map(str, variant.split), image.source.name, dtype)}
    if spec.depthwise is not None:
        form = "in_place" if variant.writes_out else f"{layout}_in_place"
        if not variant.in_place:
            form = "straight" if variant.writes_out else layout
        if variant.by_columns and not variant.planes:
            form += " by columns"
        keys["fill"] = ("depthwise", form, *map(str, variant.unrolled), dtype)
    elif not variant.zero_copy:
        keys["fill"] = ("im2col", layout, dtype)
    if spec.depth:
        keys["finish"] = ("gemm", layout, str(variant.vectors), dtype)
    elif not variant.writes_out:
        keys["finish"] = ("interleave", layout, str(variant.joined), dtype)
    return keys


# ---- weights and kernels


def _vectors(spec: LayerSpec, image: LayerImage, planes: bool) -> int:
    """Panels of four vectors need fewer loads for a product than those of two.

    In the caches of a quiet processor the two are equally fast, but if something else is at work there, those of four
    are faster (measured: 8 to 14 %). They need 32 registers, and are for matrices that follow a depthwise stage.
    """
    if spec.matrix is None or planes or jit.target().tile != 8:
        return 2
    four = 4 * lanes_of(image.dtype)
    near = spec.depth * four * image.dtype.itemsize <= tuning.PANEL_BYTES
    return 4 if near and spec.results >= four and -spec.results % four <= tuning.COLUMNS_IN_VAIN * spec.results else 2


def _is_zero_copy(spec: LayerSpec, image: LayerImage, planes: bool) -> bool:
    """Tiles of the matrix product lie in one row of results each: rows have to be wide enough.

    In planes columns are packed so that neighbouring results have neighbouring factors with any stride.
    """
    if not planes:
        if image.stride[1] != 1:
            return False
        if spec.size == image.stride == (1, 1) and image.pads == ((0, 0), (0, 0)):
            return True
    cols = image.result_shape[2]
    _, narrow = panels(spec.results, lanes_of(image.dtype), 2)
    large, small = matrix_rows()
    rest = cols % large
    computed = cols - rest + (0 if rest == 0 else small if rest <= small and not narrow else large)
    return bool(cols >= (large if narrow else small) and computed <= tuning.ROWS_IN_VAIN * cols)


def _is_in_place(spec: LayerSpec, image: LayerImage, by_columns: bool) -> bool:
    """Not of one block of channels: the packed image differs little from it, but is aligned.

    Wide kernels use each input so often that packing it pays: of an image that is not aligned, every vector crosses a
    cache line. It does not where the packed image comes from memory (224 x 224 x 64, 5 x 5: 2.0 instead of 2.3 ms).

    As factors of a matrix, results of many channels or in large images neither gain nor lose with stride 1: vectors
    that cross a cache line cost what packing does. Others gain 5 %, with stride 2 they gain 4 to 13 % (measured).
    """
    lanes = lanes_of(image.dtype)
    if image.source != image.dtype or image.channels <= lanes:
        return False
    large = is_large(image)
    width = _unrolled(spec, image, False, by_columns)[0]
    if not (width == 3 or (width == 5 and spec.depthwise_only and large)):
        return False
    few = image.channels <= tuning.GROUPS_IN_PLACE * lanes and not large
    return spec.depthwise_only or image.stride[1] == 2 or few


def _unrolled(spec: LayerSpec, image: LayerImage, planes: bool, by_columns: bool) -> Pair:
    (height, width), (down, across) = spec.size, spec.place.dilation
    if planes:
        return (height, 1) if height in (3, 5, 7) and image.stride[0] == down == 1 else (0, 0)
    known = spec.size == (3, 3) if by_columns else width in (3, 5, 7)
    return (width, image.stride[1]) if known and image.stride[1] <= 2 and across == 1 else (0, 0)


# ---- how the work is cut


def _stages(spec: LayerSpec, image: LayerImage, variant: Variant, threads: int) -> tuple[int, ...]:
    """Whether threads share the tiles of a map, or its channels and then the panels.

    All read all weights where they share tiles, and factors from each other where they do not. Where there
    is no second stage, channels are shared, because pixels would have to be packed with those around them.
    """
    images, rows, cols, _ = image.result_shape
    if threads == 1 or images > 1 or rows * cols > tuning.LEAST_PIXELS * threads:
        return (at.BOTH,)
    sharing = min(threads, _shares(spec, image, variant))
    if rows * cols > tuning.LEAST_PIXELS * sharing:
        return (at.BOTH,)
    if spec.depthwise_only:
        return (at.FIRST,) if variant.writes_out else (at.BOTH,)
    work = rows * cols * spec.multiplications / (tuning.COMPUTED * lanes_of(image.dtype))
    weights = matrix_bytes(spec.depth, spec.results, image.dtype, variant.vectors) / tuning.WEIGHTS_READ
    depth = image.channels if variant.zero_copy else spec.depth
    factors = rows * cols * depth * image.dtype.itemsize / tuning.FACTORS_READ
    together = max(work * -(-rows // sharing) / rows, weights)
    apart = max(work, weights) / sharing + factors * (1 - 1 / sharing) + tuning.LAUNCH
    return (at.FIRST, at.SECOND) if apart < together else (at.BOTH,)


def _tiles(spec: LayerSpec, image: LayerImage, variant: Variant, threads: int) -> Pair:
    """Number of tiles from top to bottom, and the columns of each."""
    images, rows, cols, _ = image.result_shape
    kernel, stride, size = spec.size, image.stride, image.dtype.itemsize
    depth = spec.results if spec.depthwise_only else spec.depth
    if variant.zero_copy and not variant.planes:
        depth = image.channels * stride[0]
    large = matrix_rows()[0]
    pixels = max(min(tuning.FACTORS_BYTES // (depth * size), tuning.MOST_PIXELS), 2 * large)
    tile_cols = cols
    least = min(rows, tuning.ROWS_OF_TILE if kernel[0] > stride[0] else 1)
    if cols * least > pixels:
        tile_cols = min(max(pixels // least // (2 * large), 1) * 2 * large, cols)
    if not variant.planes and kernel[0] > 1:
        # The rows under the kernel stay in L1 from row to row: of a block of channels, or where large images are read
        # in place of all (measured: 480 x 640 x 64 takes 1.2 times as long with tiles three times as wide).
        whole = variant.writes_out and variant.in_place and is_large(image)
        channels, least = (image.channels, large) if whole else (lanes_of(image.dtype), 2 * large)
        span = tuning.WINDOW_BYTES // (kernel[0] * stride[1] * channels * size)
        reach = (kernel[1] - 1) * spec.place.dilation[1]
        tile_cols = min(tile_cols, max(span // large * large, least, reach // 2))
    tile_cols = -(-cols // -(-cols // tile_cols))
    if tile_cols < cols:
        tile_cols = min(-(-tile_cols // large) * large, cols)
    tile_rows = min(max(pixels // tile_cols, 1), rows)
    if not variant.planes:
        # Not more rows than keep what is packed in the cache; but the fewer, the more often are
        # the rows around them packed, of which a dilated kernel has many.
        row = packed_row(spec, image, tile_cols) * groups_of(image, variant)
        around = (kernel[0] - 1) * spec.place.dilation[0]
        high = (tuning.PACKED_BYTES // row - around - 1) // stride[0] + 1
        tile_rows = min(max(min(tile_rows, max(high, tuning.TILE_ROWS_LEAST)), around // 2), rows)
    # As many tiles for each thread, of nearly the same height.
    across = images * -(-cols // tile_cols)
    high = -(-rows // tile_rows)
    while high < rows and across * high % threads and across * high < 8 * threads:
        high += 1
    return high, tile_cols


def _chunk(spec: LayerSpec, image: LayerImage, variant: Variant, tiles_y: int, tile_cols: int) -> int:
    groups = groups_of(image, variant)
    if variant.planes:
        return groups if variant.split[0] else 1
    group = packed_group(spec, image, tiles_y, tile_cols)
    chunk = tuning.NEAR_BYTES // group
    large = spec.depthwise_only and is_large(image)
    # Results that are streamed have to be finished together; where rows are short, that is worth less.
    if chunk < tuning.LEAST_NEAR or (large and image.result_shape[2] > tuning.NARROW_TILE):
        chunk = tuning.PACKED_BYTES // group
    if variant.in_place and not large:
        chunk = min(chunk, tuning.GROUPS_IN_PLACE)
    return max(min(chunk, groups), 1)


def strip_of(depth: int, columns: int, dtype: DType, vectors: int) -> int:
    """Pixels of a strip where the weights of a matrix stay in L1, else all of a tile.

    Few, so that lines of the result that two panels share are still there as well.
    """
    if depth == 0 or matrix_bytes(depth, columns, dtype, vectors) > tuning.STRIP_BYTES:
        return ALL
    large = matrix_rows(vectors)[0]
    return max(tuning.STRIP_BYTES // (columns * dtype.itemsize) // large, 1) * large


# ---- sizes


def multiplier_of(spec: LayerSpec, image: LayerImage) -> int:
    return 1 if spec.depthwise is None else int(spec.depthwise.shape[2]) // image.channels


def groups_of(image: LayerImage, variant: Variant) -> int:
    """Blocks of channels, or channels where they are planes."""
    return image.channels if variant.planes else -(-image.channels // lanes_of(image.dtype))


def is_large(image: LayerImage) -> bool:
    """Whether the result does not stay in the cache."""
    return math.prod(image.result_shape) * image.dtype.itemsize >= tuning.STREAM_LAYER


def packed_row(spec: LayerSpec, image: LayerImage, cols: int) -> int:
    """Bytes of a packed row of a block of channels, under a tile of so many columns."""
    # A depthwise tile wider than the result reads past its columns.
    wide = extent(max(cols, DEPTHWISE_COLS), image.stride[1], spec.size[1], spec.place.dilation[1])
    return wide * lanes_of(image.dtype) * image.dtype.itemsize


def packed_group(spec: LayerSpec, image: LayerImage, tiles_y: int, tile_cols: int) -> int:
    """Bytes of all packed rows of a block of channels."""
    rows = -(-image.result_shape[1] // tiles_y)
    high = extent(rows, image.stride[0], spec.size[0], spec.place.dilation[0])
    return odd_lines(high * packed_row(spec, image, tile_cols))


def extent(count: int, stride: int, kernel: int, dilation: int) -> int:
    """Inputs under the taps of `count` neighbouring results."""
    return (count - 1) * stride + (kernel - 1) * dilation + 1


def _shares(spec: LayerSpec, image: LayerImage, variant: Variant) -> int:
    """Groups of channels, or panels, that threads share where they do not share tiles: whichever are more."""
    groups = groups_of(image, variant)
    return max(groups, sum(panels(spec.results, lanes_of(image.dtype), variant.vectors))) if spec.depth else groups


def matrix_bytes(depth: int, columns: int, dtype: DType, vectors: int) -> int:
    """Of a packed matrix."""
    wide, narrow = panels(columns, lanes_of(dtype), vectors)
    return (vectors * wide + narrow) * lanes_of(dtype) * depth * dtype.itemsize
