"""The argument block of a layer's kernels, and the scratch memory that they need."""

from __future__ import annotations

import numpy as np

from fastsep._engine import memory
from fastsep._engine.argument_writer import MODES, lines_of, odd_lines
from fastsep._kernels import jit
from fastsep._kernels.layers import arguments as at
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
        args = at.Layer([0] * at.Layer.length)  # words of a list are set faster than those of an array
        self._write_place(args)
        weights.write(args)
        for name, key in variants.kernel_keys(spec, image, variant).items():
            setattr(args, name, jit.kernel(*key))
        factors = self._write_planes(args) if variant.planes else self._write_blocks(args)
        if variant.streamed:
            pixels = variant.strip if spec.depth else ROWS_TOGETHER * variant.tile_cols
            args.streamed = self._take(pixels * spec.results * image.dtype.itemsize)
        shared = 0
        if variant.stages == (at.BOTH,):
            args.factors = self._take(factors)
        else:
            shared = factors  # all threads have the same
        self.words = np.array(args.words, np.int64)
        self.stride = memory.BLOCK_BYTES + self._end  # bytes from the block of one thread to that of the next
        self.size = variant.threads * self.stride - memory.BLOCK_BYTES + shared  # bytes behind the first block

    def _write_place(self, args: at.Layer) -> None:
        spec, image, variant = self.spec, self.image, self.variant
        args.images, args.rows, args.cols, args.channels = image.source_shape
        args.pixel = image.channels * image.source.itemsize
        args.out_rows, args.out_cols, args.out_channels = image.result_shape[1:]
        args.tiles_y, args.tile_cols = variant.tiles_y, variant.tile_cols
        args.tiles_x = -(-image.result_shape[2] // variant.tile_cols)
        args.kernel_y, args.kernel_x = spec.size
        args.stride_y, args.stride_x = image.stride
        args.dilation_y, args.dilation_x = spec.place.dilation
        args.pad_top, args.pad_left = image.pads[0][0], image.pads[1][0]
        args.mode = MODES[spec.place.mode]
        args.cval = self._address(np.array([spec.place.cval], image.dtype))
        args.multiplier = variants.multiplier_of(spec, image)
        args.groups = variants.groups_of(image, variant)
        args.chunk, args.strip = variant.chunk, variant.strip
        if variant.in_place:
            args.inside_top, args.inside_bottom = self._inside(0)
            args.inside_left, args.inside_right = self._inside(1)

    def _inside(self, axis: int) -> Pair:
        """The first result all of whose inputs lie within the image, and the one behind the last."""
        image = self.image
        before, stride = image.pads[axis][0], image.stride[axis]
        span = variants.extent(1, stride, self.spec.size[axis], self.spec.place.dilation[axis])
        return -(-before // stride), (image.source_shape[1 + axis] + before - span) // stride + 1

    def _write_blocks(self, args: at.Layer) -> int:
        """Layout of blocks; returns the bytes of all factors of a tile."""
        spec, image, variant = self.spec, self.image, self.variant
        rows, cols = -(-image.result_shape[1] // variant.tiles_y), variant.tile_cols
        groups = args.groups
        args.runs = runs = spec.depth // image.channels
        args.packed_row = variants.packed_row(spec, image, cols)
        args.packed_group = packed_group = variants.packed_group(spec, image, variant.tiles_y, cols)
        pixels = rows * cols + DEPTHWISE_COLS
        if variant.zero_copy:
            high = variants.extent(rows, image.stride[0], spec.size[0], spec.place.dilation[0])
            pixels = high * (cols + (spec.size[1] - 1) * spec.place.dilation[1])
        else:
            args.packed = self._take(variant.chunk * packed_group)
        args.factors_group = factors_group = odd_lines(pixels * lanes_of(image.dtype) * image.dtype.itemsize)
        if not args.finish:
            return 0
        args.run_table = self._take(8 * runs)
        stored = 1 if variant.zero_copy else runs if spec.depth else variants.multiplier_of(spec, image)
        return stored * groups * factors_group

    def _write_planes(self, args: at.Layer) -> int:
        """Layout of planes; returns the bytes of all factors of a tile."""
        spec, image, variant = self.spec, self.image, self.variant
        rows, cols = -(-image.result_shape[1] // variant.tiles_y), variant.tile_cols
        size, lanes, dilation, stride = image.dtype.itemsize, lanes_of(image.dtype), spec.place.dilation, image.stride
        # Tiles are whole vectors and DEPTHWISE_ROWS rows, however small the result.
        each_phase = max(cols, lanes) + (spec.size[1] - 1) * dilation[1] // stride[1] + 2
        args.packed_phase = phase = lines_of(each_phase * size)
        args.packed_row = packed_row = odd_lines(stride[1] * phase)
        high = variants.extent(max(rows, DEPTHWISE_ROWS), stride[0], spec.size[0], dilation[0])
        args.packed_group = packed_group = odd_lines(high * packed_row)
        columns = np.arange(spec.size[1], dtype=np.int64) * dilation[1]
        args.offsets = self._address(columns % stride[1] * phase + columns // stride[1] * size)
        args.run_table = self._take(8 * spec.depth)
        if variant.zero_copy:
            args.factors_group = packed_group
            return args.groups * packed_group
        args.packed = self._take(variant.chunk * packed_group)
        args.factors_group = factors_group = odd_lines((max(rows, DEPTHWISE_ROWS) * cols + lanes) * size)
        return lines_of((spec.depth or spec.results) * factors_group)

    def _address(self, values: Array) -> int:
        self._keep.append(values)
        return memory.address_of(values)

    def _take(self, size: int) -> int:
        """Reserve `size` bytes of scratch on a cache line; returns their offset."""
        offset = self._end
        self._end += lines_of(size)
        return offset
