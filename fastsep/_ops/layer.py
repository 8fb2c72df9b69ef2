"""Convolution layers: weights packed for the kernel, tiles and memory laid out, bands run.

A `Layer` holds what depends on the weights alone, a `Prepared` layer what depends on the shape of
the image too. Checks nothing: `_plan.convolution` has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastsep._engine import bands as _bands
from fastsep._engine import memory
from fastsep._engine.argument_writer import MODES, lines_of, odd_lines
from fastsep._kernels import jit
from fastsep._kernels.arguments import DST, SCRATCH, SRC
from fastsep._kernels.layers import words as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS, DEPTHWISE_ROWS, ROWS_TOGETHER, matrix_rows
from fastsep._validation.array_like import Array

Pair = tuple[int, int]
Limits = tuple[float, float]

NO_LIMITS = (-math.inf, math.inf)
#: Left operand of the matrix product of one tile, in bytes and in pixels: it stays in L2, and panels of weights
#: are read seldom (measured: 96 to 448 KiB differ by less than the noise).
TERMS_BYTES = 192 << 10
MOST_PIXELS = 4096
#: Target size of the packed part of an image (L2).
PACKED_BYTES = 320 << 10
#: Target size in L1, used where at least LEAST_NEAR groups of channels fit. (With fewer, too short a piece of each
#: pixel is read.)
NEAR_BYTES = 32 << 10
LEAST_NEAR = 3
#: Columns of a tile up to which L1 is worth more than streaming (measured: 14 are 20 % faster so or 9 % slower,
#: depending on the channels, and 32 are 1.5 times as slow).
NARROW = 14
#: Weights and results of a strip of pixels, which stay in L1 together.
STRIP_BYTES = 16 << 10
#: Rows under the kernel, of one block of channels.
WINDOW_BYTES = 24 << 10
#: Rows of a tile, whatever has to be packed for them.
LEAST_ROWS = 4
#: Width of the kernels that read images in place. Wider ones use each input so often that packing it
#: pays: of an image that is not aligned, every vector crosses a cache line.
IN_PLACE_WIDTH = 3
#: Blocks of channels that are packed and filtered together where images are read in place: few columns
#: of so many under a kernel stay in L1 (measured: 7 x 7 pixels of 1024 channels take 60 % longer with
#: all 64 of them).
GROUPS_IN_PLACE = 8
#: Results from this size on are written with non-temporal stores, which do not read the lines first.
STREAM_BYTES = 8 << 20
#: Rows of a tile of part of the columns: its border is packed again for the next tile.
ROWS_OF_TILE = 8
#: Largest ratio of computed to needed results where no tile spans two rows.
MOST_IN_VAIN = 1.1
#: Largest share of the matrix's columns that are computed twice to make every panel four vectors wide.
IN_VAIN = 0.04
#: Largest panel of that width: every tile of pixels reads it again, from L2.
PANEL_BYTES = 128 << 10
#: A strip that holds every pixel of a tile.
ALL = 1 << 40
#: Tiles for each thread up to which each is a band of its own.
FEW_TILES = 8
#: A map is small if each thread would have fewer pixels than this. Then threads may share channels instead.
LEAST_PIXELS = 32
#: What decides whether threads of a small map share pixels, or first the channels and then the panels. In
#: multiply-adds of a full vector, or bytes, a nanosecond: what a thread computes, reads of weights that are not
#: in its cache, and of factors that another thread has computed; and the nanoseconds of a second launch. (The
#: last two are between those of a processor whose cores are near to each other, and of one whose are not.)
COMPUTED, WEIGHTS_READ, FACTORS_READ, LAUNCH = 6.0, 20.0, 8.0, 5000.0


class Layer:
    """A layer's weights in the order in which the kernel reads them.

    Parameters
    ----------
    dtype : numpy.dtype
        Of arithmetic and results: float32 or float64.
    depthwise : (kh, kw, C, M) array, optional
        Kernels of the first stage.
    matrix : (C * M, F) array, optional
        Pointwise weights of the second stage.
    dense : (kh, kw, C, F) array, optional
        Kernel of a standard convolution, instead of the other two.
    stride, dilation : (int, int)
        Along y and x.
    depthwise_bias, bias : arrays, optional
        Of the first stage, if there are two, and of the last.
    depthwise_clip, clip : (float, float)
        Limits to which results of these stages are clipped.
    """

    def __init__(
        self,
        *,
        dtype: Any,
        depthwise: Array | None = None,
        matrix: Array | None = None,
        dense: Array | None = None,
        stride: Pair = (1, 1),
        dilation: Pair = (1, 1),
        depthwise_bias: Array | None = None,
        bias: Array | None = None,
        depthwise_clip: Limits = NO_LIMITS,
        clip: Limits = NO_LIMITS,
    ) -> None:
        cpu = jit.target()
        self.dtype = np.dtype(dtype)
        self.lanes = lanes = cpu.vector_bytes // self.dtype.itemsize
        self.stride, self.dilation = stride, dilation
        kernel = depthwise if dense is None else dense
        assert kernel is not None
        self.kernel: Pair = kernel.shape[:2]
        self.channels = channels = kernel.shape[2]
        self.multiplier = 1 if depthwise is None else kernel.shape[3]
        self.form = "planes" if channels < lanes else "blocks"
        self.alone = depthwise is not None and matrix is None
        self.weights: Array | None = None
        first_bias = None
        if depthwise is not None:
            if self.alone:
                first_bias, self.first_limits = bias, self._limits(clip)
            else:
                first_bias, self.first_limits = depthwise_bias, self._limits(depthwise_clip)
            if first_bias is None:
                first_bias = np.zeros(channels * self.multiplier)
            self._pack_depthwise(kernel, first_bias)
        if dense is not None:
            matrix = dense.reshape(-1, dense.shape[3])
        elif matrix is not None and self.form == "blocks" and self.multiplier > 1:
            # All channels of the first multiple, then all of the second, ...
            order = matrix.reshape(channels, self.multiplier, -1)
            matrix = order.transpose(1, 0, 2).reshape(matrix.shape)
        if matrix is None:
            self.out_channels = channels * self.multiplier
            self.depth = 0
        else:
            self.depth, self.out_channels = matrix.shape
            self.limits = self._limits(clip)
            self._pack_matrix(matrix, bias, dense is not None)
        self.first_work = math.prod(self.kernel) * channels * self.multiplier if depthwise is not None else 0

    def _limits(self, limits: Limits) -> Array:
        return np.array(limits, self.dtype)

    def _aligned(self, size: int) -> Array:
        """Room for `size` values that starts on a cache line."""
        return memory.aligned((size,), self.dtype)

    def _pack_depthwise(self, kernel: Array, bias: Array) -> None:
        channels, multiplier = kernel.shape[2:]
        bias = np.asarray(bias).reshape(channels, multiplier)
        if self.form == "planes":
            # One channel of results after the other, each column by column.
            self.weights = self._fill(kernel.transpose(2, 3, 1, 0))
            self.first_bias = self._fill(bias)
            return
        lanes = self.lanes
        starts = np.minimum(np.arange(0, channels, lanes), channels - lanes)
        block = starts[:, None] + np.arange(lanes)
        # (height, width, blocks, lanes, multiplier) -> multiplier, blocks, height, width, lanes
        self.weights = self._fill(kernel[:, :, block].transpose(4, 2, 0, 1, 3))
        self.first_bias = self._fill(bias[block].transpose(2, 0, 1))

    def _fill(self, values: Array) -> Array:
        filled = self._aligned(values.size)
        filled.reshape(values.shape)[...] = values
        return filled

    def _pack_matrix(self, matrix: Array, bias: Array | None, dense: bool) -> None:
        """Panels of two vectors of columns, then of one; or all of four. The last overlap with those before them.

        Those of four need fewer loads for a product: in the caches of a quiet processor the two are equally
        fast, but if something else is at work there, they are faster (measured: 8 to 14 %).
        """
        lanes, (depth, columns) = self.lanes, matrix.shape
        four = 4 * lanes
        near = depth * four * self.dtype.itemsize <= PANEL_BYTES
        many = self.form == "blocks" and not dense and jit.target().tile == 8 and near
        many = many and columns >= four and -columns % four <= IN_VAIN * columns
        self.vectors = 4 if many else 2
        self.rows = matrix_rows(self.vectors)
        wide = self.vectors * lanes
        self.wide: int
        self.wide, rest = divmod(columns, wide) if columns >= wide else (0, columns)
        full = self.wide
        if full and rest > (0 if many else lanes):
            self.wide, rest = full + 1, 0
        self.narrow = -(-rest // lanes)
        units = self.vectors * self.wide + self.narrow
        self.matrix = self._aligned(units * lanes * depth)
        self.bias = self._aligned(units * lanes)
        self.bias[:] = 0
        panels = self.matrix[: full * wide * depth].reshape(full, depth, wide)
        panels[...] = matrix[:, : full * wide].reshape(depth, full, wide).transpose(1, 0, 2)
        if bias is not None:
            self.bias[: full * wide] = bias[: full * wide]
        position = full * wide
        for number in range(full, self.wide + self.narrow):
            width = wide if number < self.wide else lanes
            start = max(min(position, columns - width), 0)
            stop = min(start + width, columns)
            panel = self.matrix[position * depth : (position + width) * depth].reshape(depth, width)
            panel[:, : stop - start] = matrix[:, start:stop]
            panel[:, stop - start :] = 0
            if bias is not None:
                self.bias[position : position + stop - start] = bias[start:stop]
            position += width

    def strip(self) -> int:
        """Pixels that are multiplied by all panels before the next pixels are.

        Weights that stay in L1: few, so that lines of the result that
        two panels share are still there as well. Else all pixels of a tile.
        """
        if self.matrix.nbytes > STRIP_BYTES:
            return ALL
        large = self.rows[0]
        row = self.out_channels * self.dtype.itemsize
        return int(max(STRIP_BYTES // row // large, 1)) * large

    def together(self) -> tuple[str, str]:
        """Number of channels that are split into planes together, and the stride; zeros: one by one."""
        split = self.form == "planes" and 2 <= self.channels <= 4 and self.stride[1] <= 2
        return (str(self.channels), str(self.stride[1])) if split else ("0", "0")

    def unrolled(self) -> tuple[str, str]:
        """Size and stride of the kernels that the depthwise kernel unrolls; zeros: any."""
        height, width = self.kernel
        if self.form == "planes":
            plain = height in (3, 5, 7) and self.stride[0] == self.dilation[0] == 1
            return (str(height), "1") if plain else ("0", "0")
        plain = width in (3, 5, 7) and self.stride[1] <= 2 and self.dilation[1] == 1
        return (str(width), str(self.stride[1])) if plain else ("0", "0")

    def prepare(
        self, shape: tuple[int, int, int, int], src: Any, pads: tuple[Pair, Pair], mode: str, cval: float
    ) -> Prepared:
        """The layer for images of one shape (N, H, W, C) and dtype."""
        return Prepared(self, shape, np.dtype(src), pads, mode, cval)


class Prepared:
    """A layer for images of one shape, with its kernel loaded."""

    def __init__(
        self, layer: Layer, shape: tuple[int, int, int, int], src: np.dtype[Any], pads: tuple[Pair, Pair], mode: str,
        cval: float,
    ) -> None:  # fmt: skip
        self.layer = layer
        self.source, self.src = shape, src
        self.pads, self.mode = pads, mode
        self.cval = np.array([cval], layer.dtype)
        sizes = [
            (n + sum(pad) - (k - 1) * d - 1) // s + 1
            for n, pad, k, d, s in zip(shape[1:3], pads, layer.kernel, layer.dilation, layer.stride, strict=True)
        ]
        self.shape = (shape[0], *sizes, layer.out_channels)
        pixels = math.prod(self.shape[:3])
        self.work = float(pixels * (layer.first_work + layer.depth * layer.out_channels))
        self.in_place = self._in_place(src)
        form = "in_place" if self.in_place else layer.form
        self.kernels = {
            at.PACK: jit.kernel("pack", form, *layer.together(), src.name, layer.dtype.name),
            **self._stages(),
        }
        self.address = jit.kernel("tiles")
        self.band: Callable[..., int] = jit.BAND(self.address)
        self._tiled: dict[int, _Tiled] = {}

    @property
    def large(self) -> bool:
        """Whether the result does not stay in the cache."""
        return bool(math.prod(self.shape) * self.layer.dtype.itemsize >= STREAM_BYTES)

    def _in_place(self, src: np.dtype[Any]) -> bool:
        """Whether what lies inside the image is read where it is.

        Not of one block of channels: the packed image differs little from it, but is aligned. As factors of a
        matrix, results of many channels or in large images neither gain nor lose with stride 1: vectors that
        cross a cache line cost what packing does. Others gain 5 %, with stride 2 they gain 4 to 13 % (measured).
        """
        layer = self.layer
        if layer.weights is None or layer.form != "blocks" or layer.multiplier > 1:
            return False
        if src != layer.dtype or layer.channels <= layer.lanes or layer.unrolled()[0] != str(IN_PLACE_WIDTH):
            return False
        few = layer.channels <= GROUPS_IN_PLACE * layer.lanes and not self.large
        return layer.alone or layer.stride[1] == 2 or few

    def _stages(self) -> dict[int, int]:
        """The kernels after the first."""
        layer = self.layer
        form, name = layer.form, layer.dtype.name
        if layer.alone:
            if form == "blocks" and layer.multiplier == 1:
                form = "in_place" if self.in_place else "straight"
                return {at.FILL: jit.kernel("depthwise", form, *layer.unrolled(), name)}
            number = layer.multiplier if form == "blocks" else layer.out_channels
            stages = {at.FINISH: jit.kernel("interleave", form, str(number if number in (2, 3, 4) else 0), name)}
        else:
            stages = {at.FINISH: jit.kernel("gemm", form, str(layer.vectors), name)}
        if layer.weights is not None:
            form = "blocks_in_place" if self.in_place else form
            stages[at.FILL] = jit.kernel("depthwise", form, *layer.unrolled(), name)
        elif not self._direct():
            stages[at.FILL] = jit.kernel("im2col", form, name)
        return stages

    def _direct(self) -> bool:
        """Whether packed pixels are the factors of a standard convolution, and need not be laid out.

        Tiles of the matrix product then lie in one row of results each: rows have to be wide enough.
        """
        layer, cols = self.layer, self.shape[2]
        if layer.form != "blocks" or layer.stride[1] != 1:
            return False
        if layer.kernel == layer.stride == (1, 1) and self.pads == ((0, 0), (0, 0)):
            return True
        large, small = matrix_rows()
        rest = cols % large
        computed = cols - rest + (0 if rest == 0 else small if rest <= small and not layer.narrow else large)
        return bool(cols >= (large if layer.narrow else small) and computed <= MOST_IN_VAIN * cols)

    def run(self, image: Array, out: Array, workers: int | None) -> None:
        """Apply the layer to `image` (N, H, W, C), into `out`; both C-contiguous, and one image may lack N."""
        threads = _bands.threads_for(self.work, workers)
        tiled = self._tiled.get(threads)
        if tiled is None:
            tiled = self._tiled[threads] = _Maker(self, threads).make()
        threads, stride = tiled.threads, tiled.stride
        apart = tiled.scratch + (threads - 1) * stride  # bytes to the memory that all threads share
        workspace = memory.take_workspace(apart + tiled.shared)
        word = workspace.word
        if workspace.filled_by is not tiled.token:
            workspace.words[: len(tiled.words)] = tiled.words
            word[SCRATCH] = workspace.scratch
            word[at.SHARED] = workspace.scratch + apart
            workspace.filled_by = tiled.token
        word[SRC] = memory.address_of(image)
        word[DST] = memory.address_of(out)
        for stage in tiled.stages:
            word[at.STAGE] = stage
            _bands.launch(self, workspace, threads, tiled.bands, stride)
        memory.give_back(workspace)


@dataclass(frozen=True, slots=True)
class _Tiled:
    """The tiles of a prepared layer for a number of threads, as the kernel's argument block."""

    words: Array
    scratch: int  # bytes for each thread
    shared: int  # bytes for all of them together
    threads: int
    bands: int
    stages: tuple[int, ...]  # in which the bands run
    keep: tuple[Array, ...]  # what the words point to
    token: object  # marks workspaces that these words are in; the tiles would keep weights alive there

    @property
    def stride(self) -> int:
        """Bytes from the argument block of one thread to that of the next."""
        return memory.BLOCK_BYTES + self.scratch


class _Maker:
    """Lays out tiles and memory."""

    def __init__(self, prepared: Prepared, threads: int) -> None:
        self.prepared, self.layer, self.threads = prepared, prepared.layer, threads
        self.words = np.zeros(at.CONV_WORDS, np.int64)
        self.keep: list[Array] = []
        self.end = at.TILE_BYTES
        self.terms = 0
        self.direct = at.FILL not in prepared.kernels

    def make(self) -> _Tiled:
        prepared, layer, words = self.prepared, self.layer, self.words
        images, out_rows, out_cols = prepared.shape[:3]
        groups = layer.channels if layer.form == "planes" else -(-layer.channels // layer.lanes)
        panels = layer.wide + layer.narrow if layer.depth else 0
        tiles_y, cols, stages = self._tile(groups, panels)
        rows, tiles_x = -(-out_rows // tiles_y), -(-out_cols // cols)
        both = stages == (at.BOTH,)
        units = images * tiles_y * tiles_x if both else max(groups, panels)
        threads = max(min(self.threads, units), 1)
        words[at.IMAGES : at.CHANNELS + 1] = prepared.source
        words[at.PIXEL] = layer.channels * prepared.src.itemsize
        words[at.OUT_ROWS : at.OUT_CHANNELS + 1] = prepared.shape[1:]
        words[at.TILE_COLS] = cols
        words[at.TILES_Y], words[at.TILES_X] = tiles_y, tiles_x
        words[at.KERNEL_Y : at.KERNEL_X + 1] = layer.kernel
        words[at.STRIDE_Y : at.STRIDE_X + 1] = layer.stride
        words[at.DILATION_Y : at.DILATION_X + 1] = layer.dilation
        words[at.TOP], words[at.LEFT] = prepared.pads[0][0], prepared.pads[1][0]
        words[at.MODE] = MODES[prepared.mode]
        words[at.CVAL] = self._address(prepared.cval)
        words[at.MULTIPLIER] = layer.multiplier
        words[at.GROUPS] = groups
        for word, address in prepared.kernels.items():
            words[word] = address
        getattr(self, layer.form)(rows, cols, groups)
        if prepared.in_place:
            words[at.INSIDE_TOP : at.INSIDE_BOTTOM + 1] = self._inside(0)
            words[at.INSIDE_LEFT : at.INSIDE_RIGHT + 1] = self._inside(1)
        if layer.weights is not None:
            words[at.WEIGHTS] = self._address(layer.weights)
            words[at.FIRST_BIAS] = self._address(layer.first_bias)
            words[at.FIRST_LIMITS] = self._address(layer.first_limits)
        if layer.depth:
            words[at.DEPTH] = layer.depth
            words[at.MATRIX] = self._address(layer.matrix)
            words[at.BIAS] = self._address(layer.bias)
            words[at.LIMITS] = self._address(layer.limits)
            words[at.STRIP] = layer.strip()
            words[at.WIDE], words[at.NARROW] = layer.wide, layer.narrow
        if both and prepared.large:
            self.take(self._streamed(cols) * layer.out_channels * layer.dtype.itemsize, at.STREAMED)
        # Each thread has factors of its own, or, in two stages, all have the same.
        words[at.TERMS] = self.end if both else 0
        scratch, shared = (self.end + self.terms, 0) if both else (self.end, self.terms)
        # A band of two tiles among those of one would be waited for.
        bands = units if units <= FEW_TILES * threads else _bands.bands_of(threads, units)
        return _Tiled(words, scratch, shared, threads, bands, stages, tuple(self.keep), object())

    def _inside(self, axis: int) -> Pair:
        """The first result all of whose inputs lie within the image, and the one behind the last."""
        layer, prepared = self.layer, self.prepared
        before, stride = prepared.pads[axis][0], layer.stride[axis]
        span = (layer.kernel[axis] - 1) * layer.dilation[axis] + 1
        return -(-before // stride), (prepared.source[1 + axis] + before - span) // stride + 1

    def _address(self, values: Array) -> int:
        self.keep.append(values)
        return int(values.ctypes.data)

    def _tile(self, groups: int, panels: int) -> tuple[int, int, tuple[int, ...]]:
        """Number of tiles from top to bottom, columns of each, and the stages in which bands run."""
        layer, threads = self.layer, self.threads
        images, rows, cols, channels = self.prepared.shape
        apart = self._apart(groups, panels)
        if apart:
            return 1, cols, apart
        depth = max(layer.depth, channels if layer.alone else 0)
        if self.direct:
            depth = layer.channels * layer.stride[0]
        pixels = max(min(TERMS_BYTES // (depth * layer.dtype.itemsize), MOST_PIXELS), 2 * matrix_rows()[0])
        tile_cols = cols
        large = matrix_rows()[0]
        least = min(rows, ROWS_OF_TILE if layer.kernel[0] > layer.stride[0] else 1)
        if cols * least > pixels:
            tile_cols = min(max(pixels // least // (2 * large), 1) * 2 * large, cols)
        if layer.form == "blocks" and layer.kernel[0] > 1:
            # The rows under the kernel stay in L1 from row to row.
            span = WINDOW_BYTES // (layer.kernel[0] * layer.stride[1] * layer.lanes * layer.dtype.itemsize)
            tile_cols = min(
                tile_cols, max(span // large * large, 2 * large, (layer.kernel[1] - 1) * layer.dilation[1] // 2)
            )
        tile_cols = -(-cols // -(-cols // tile_cols))
        if tile_cols < cols:
            tile_cols = min(-(-tile_cols // large) * large, cols)
        tile_rows = min(max(pixels // tile_cols, 1), rows)
        if layer.form == "blocks":
            # Not more rows than keep what is packed in the cache; but the fewer, the more often are
            # the rows around them packed, of which a dilated kernel has many.
            row = self._packed_row(tile_cols) * groups
            around = (layer.kernel[0] - 1) * layer.dilation[0]
            high = (PACKED_BYTES // row - around - 1) // layer.stride[0] + 1
            tile_rows = min(max(min(tile_rows, max(high, LEAST_ROWS)), around // 2), rows)
        # As many tiles for each thread, of nearly the same height.
        across = images * -(-cols // tile_cols)
        high = -(-rows // tile_rows)
        while high < rows and across * high % threads and across * high < 8 * threads:
            high += 1
        return high, tile_cols, (at.BOTH,)

    def _apart(self, groups: int, panels: int) -> tuple[int, ...]:
        """The stages of threads that share the channels, and then the panels; none if they share pixels.

        All read all weights where they share pixels, and factors from each other where they do not. Where there
        is no second stage, channels are shared, because pixels would have to be packed with those around them.
        """
        layer, (images, rows, cols) = self.layer, self.prepared.shape[:3]
        threads = min(self.threads, max(groups, panels))
        if self.threads == 1 or images > 1 or rows * cols > LEAST_PIXELS * threads:
            return ()
        if layer.alone:
            return (at.FIRST,) if layer.form == "blocks" and layer.multiplier == 1 else ()
        work = self.prepared.work / (COMPUTED * layer.lanes)
        weights = layer.matrix.nbytes / WEIGHTS_READ
        factors = rows * cols * (layer.channels if self.direct else layer.depth) * layer.dtype.itemsize / FACTORS_READ
        together = max(work * -(-rows // threads) / rows, weights)
        apart = max(work, weights) / threads + factors * (1 - 1 / threads) + LAUNCH
        return (at.FIRST, at.SECOND) if apart < together else ()

    def _streamed(self, cols: int) -> int:
        """Pixels whose results are streamed together: none where they are not finished together."""
        words = self.words
        if self.layer.depth:
            return int(words[at.STRIP]) if words[at.STRIP] < ALL else 0
        straight = at.FINISH not in self.prepared.kernels and words[at.CHUNK] == words[at.GROUPS]
        return ROWS_TOGETHER * cols if straight else 0

    def take(self, size: int, word: int) -> None:
        """Reserve `size` bytes of scratch on a cache line and note their offset in `word`."""
        self.words[word] = self.end if size else 0
        self.end += lines_of(size)

    def _packed_row(self, cols: int) -> int:
        """Bytes of a packed row of a block of channels."""
        layer = self.layer
        # A depthwise tile wider than the result reads past its columns.
        wide = (max(cols, DEPTHWISE_COLS) - 1) * layer.stride[1] + (layer.kernel[1] - 1) * layer.dilation[1] + 1
        return int(wide * layer.lanes * layer.dtype.itemsize)

    def blocks(self, rows: int, cols: int, groups: int) -> None:
        layer, words = self.layer, self.words
        vector = layer.lanes * layer.dtype.itemsize
        words[at.RUNS] = layer.depth // layer.channels
        high = (rows - 1) * layer.stride[0] + (layer.kernel[0] - 1) * layer.dilation[0] + 1
        words[at.PACKED_ROW] = packed_row = self._packed_row(cols)
        words[at.PACKED_GROUP] = packed_group = odd_lines(high * packed_row)
        chunk = NEAR_BYTES // packed_group
        # Results that are streamed have to be finished together; where rows are short, that is worth less.
        streams = layer.alone and self.prepared.large and cols > NARROW
        if chunk < LEAST_NEAR or streams:
            chunk = PACKED_BYTES // packed_group
        if self.prepared.in_place and not (layer.alone and self.prepared.large):
            chunk = min(chunk, GROUPS_IN_PLACE)
        words[at.CHUNK] = chunk = max(min(chunk, groups), 1)
        factors = rows * cols + DEPTHWISE_COLS
        if self.direct:
            factors = high * (cols + (layer.kernel[1] - 1) * layer.dilation[1])
        else:
            self.take(chunk * packed_group, at.PACKED)
        words[at.TERMS_GROUP] = terms_group = odd_lines(factors * vector)
        if words[at.FINISH]:
            runs = layer.multiplier if layer.depth == 0 else 1 if self.direct else int(words[at.RUNS])
            self.take(8 * int(words[at.RUNS]), at.RUN_TABLE)
            self.terms = runs * groups * terms_group

    def planes(self, rows: int, cols: int, groups: int) -> None:
        layer, words = self.layer, self.words
        size = layer.dtype.itemsize
        height, width = layer.kernel
        dilation, stride = layer.dilation[1], layer.stride[1]
        words[at.RUNS] = 1
        # Tiles are whole vectors and DEPTHWISE_ROWS rows, however small the result.
        each_phase = max(cols, layer.lanes) + (width - 1) * dilation // stride + 2
        words[at.PACKED_PHASE] = phase = lines_of(each_phase * size)
        words[at.PACKED_ROW] = packed_row = odd_lines(stride * phase)
        high = (max(rows, DEPTHWISE_ROWS) - 1) * layer.stride[0] + (height - 1) * layer.dilation[0] + 1
        words[at.PACKED_GROUP] = packed_group = odd_lines(high * packed_row)
        words[at.CHUNK] = chunk = groups if layer.together()[0] != "0" else 1
        values = max(rows, DEPTHWISE_ROWS) * cols + layer.lanes
        words[at.TERMS_GROUP] = terms_group = odd_lines(values * size)
        self.take(chunk * packed_group, at.PACKED)
        self.terms = lines_of((layer.depth or layer.out_channels) * terms_group)
        columns = [u * dilation for u in range(width)]
        words[at.OFFSETS] = self._address(
            np.array([u % stride * phase + u // stride * size for u in columns], np.int64)
        )
