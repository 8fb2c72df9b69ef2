"""The argument block of a layer's kernels, and the scratch memory that they need."""

from __future__ import annotations

import numpy as np

from fastsep._engine import memory
from fastsep._engine.argument_writer import MODES, lines_of, odd_lines
from fastsep._kernels import jit
from fastsep._kernels.layers import words as at
from fastsep._kernels.layers.tile_sizes import DEPTHWISE_COLS, DEPTHWISE_ROWS, ROWS_TOGETHER
from fastsep._ops.layers import variant as variants
from fastsep._ops.layers.variant import Pair, Variant
from fastsep._ops.layers.weights import PackedWeights, lanes_of
from fastsep._plan.convolution import LayerImage, LayerSpec
from fastsep._validation.array_like import Array


class LayerArguments:
    """The words of a block for one variant; all that they point to lives as long as this."""

    def __init__(self, spec: LayerSpec, image: LayerImage, weights: PackedWeights, variant: Variant) -> None:
        self.spec, self.image, self.weights, self.variant = spec, image, weights, variant
        self.stages, self.threads, self.bands = variant.stages, variant.threads, variant.bands
        self.token = object()  # marks workspaces that hold these words: this object would keep the weights alive there
        self._keep: list[Array] = []  # what words point to besides the weights
        self._end = at.TILE_BYTES
        words = [0] * at.CONV_WORDS  # in which single ones are set faster than in an array
        self._write_place(words)
        for word, value in weights.words().items():
            words[word] = value
        for word, key in variants.kernel_keys(spec, image, variant).items():
            words[word] = jit.kernel(*key)
        factors = self._write_planes(words) if variant.planes else self._write_blocks(words)
        if variant.streamed:
            pixels = variant.strip if spec.depth else ROWS_TOGETHER * variant.tile_cols
            words[at.STREAMED] = self._take(pixels * spec.results * image.dtype.itemsize)
        shared = 0
        if variant.stages == (at.BOTH,):
            words[at.TERMS] = self._take(factors)
        else:
            shared = factors  # all threads have the same
        self.words = np.array(words, np.int64)
        self.stride = memory.BLOCK_BYTES + self._end  # bytes from the block of one thread to that of the next
        self.size = variant.threads * self.stride - memory.BLOCK_BYTES + shared  # bytes behind the first block

    def _write_place(self, words: list[int]) -> None:
        spec, image, variant = self.spec, self.image, self.variant
        words[at.IMAGES : at.CHANNELS + 1] = image.source_shape
        words[at.PIXEL] = image.channels * image.source.itemsize
        words[at.OUT_ROWS : at.OUT_CHANNELS + 1] = image.result_shape[1:]
        words[at.TILES_Y], words[at.TILE_COLS] = variant.tiles_y, variant.tile_cols
        words[at.TILES_X] = -(-image.result_shape[2] // variant.tile_cols)
        words[at.KERNEL_Y : at.KERNEL_X + 1] = spec.size
        words[at.STRIDE_Y : at.STRIDE_X + 1] = image.stride
        words[at.DILATION_Y : at.DILATION_X + 1] = spec.place.dilation
        words[at.TOP], words[at.LEFT] = image.pads[0][0], image.pads[1][0]
        words[at.MODE] = MODES[spec.place.mode]
        words[at.CVAL] = self._address(np.array([spec.place.cval], image.dtype))
        words[at.MULTIPLIER] = variants.multiplier_of(spec, image)
        words[at.GROUPS] = variants.groups_of(image, variant)
        words[at.CHUNK], words[at.STRIP] = variant.chunk, variant.strip
        if variant.in_place:
            words[at.INSIDE_TOP : at.INSIDE_BOTTOM + 1] = self._inside(0)
            words[at.INSIDE_LEFT : at.INSIDE_RIGHT + 1] = self._inside(1)

    def _inside(self, axis: int) -> Pair:
        """The first result all of whose inputs lie within the image, and the one behind the last."""
        image = self.image
        before, stride = image.pads[axis][0], image.stride[axis]
        span = variants.extent(1, stride, self.spec.size[axis], self.spec.place.dilation[axis])
        return -(-before // stride), (image.source_shape[1 + axis] + before - span) // stride + 1

    def _write_blocks(self, words: list[int]) -> int:
        """Layout of blocks; returns the bytes of all factors of a tile."""
        spec, image, variant = self.spec, self.image, self.variant
        rows, cols = -(-image.result_shape[1] // variant.tiles_y), variant.tile_cols
        groups = words[at.GROUPS]
        words[at.RUNS] = runs = spec.depth // image.channels
        words[at.PACKED_ROW] = variants.packed_row(spec, image, cols)
        words[at.PACKED_GROUP] = packed_group = variants.packed_group(spec, image, variant.tiles_y, cols)
        pixels = rows * cols + DEPTHWISE_COLS
        if variant.zero_copy:
            high = variants.extent(rows, image.stride[0], spec.size[0], spec.place.dilation[0])
            pixels = high * (cols + (spec.size[1] - 1) * spec.place.dilation[1])
        else:
            words[at.PACKED] = self._take(variant.chunk * packed_group)
        words[at.TERMS_GROUP] = terms_group = odd_lines(pixels * lanes_of(image.dtype) * image.dtype.itemsize)
        if not words[at.FINISH]:
            return 0
        words[at.RUN_TABLE] = self._take(8 * runs)
        stored = 1 if variant.zero_copy else runs if spec.depth else variants.multiplier_of(spec, image)
        return stored * groups * terms_group

    def _write_planes(self, words: list[int]) -> int:
        """Layout of planes; returns the bytes of all factors of a tile."""
        spec, image, variant = self.spec, self.image, self.variant
        rows, cols = -(-image.result_shape[1] // variant.tiles_y), variant.tile_cols
        size, lanes, dilation, stride = image.dtype.itemsize, lanes_of(image.dtype), spec.place.dilation, image.stride
        words[at.RUNS] = 1
        # Tiles are whole vectors and DEPTHWISE_ROWS rows, however small the result.
        each_phase = max(cols, lanes) + (spec.size[1] - 1) * dilation[1] // stride[1] + 2
        words[at.PACKED_PHASE] = phase = lines_of(each_phase * size)
        words[at.PACKED_ROW] = packed_row = odd_lines(stride[1] * phase)
        high = variants.extent(max(rows, DEPTHWISE_ROWS), stride[0], spec.size[0], dilation[0])
        words[at.PACKED_GROUP] = packed_group = odd_lines(high * packed_row)
        words[at.PACKED] = self._take(variant.chunk * packed_group)
        columns = np.arange(spec.size[1], dtype=np.int64) * dilation[1]
        words[at.OFFSETS] = self._address(columns % stride[1] * phase + columns // stride[1] * size)
        words[at.TERMS_GROUP] = terms_group = odd_lines((max(rows, DEPTHWISE_ROWS) * cols + lanes) * size)
        return lines_of((spec.depth or spec.results) * terms_group)

    def _address(self, values: Array) -> int:
        self._keep.append(values)
        return memory.address_of(values)

    def _take(self, size: int) -> int:
        """Reserve `size` bytes of scratch on a cache line; returns their offset."""
        offset = self._end
        self._end += lines_of(size)
        return offset
