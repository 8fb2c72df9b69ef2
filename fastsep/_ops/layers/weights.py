"""Weights of a layer in the order in which its kernels read them."""

from __future__ import annotations

import numpy as np

from fastsep._engine import memory
from fastsep._kernels import jit
from fastsep._kernels.layers.arguments import Layer
from fastsep._plan.convolution import UNCLIPPED, LayerSpec, Range
from fastsep._validation.array_like import Array, DType


class PackedWeights:
    """The weights of a layer for images of one number of channels, in the dtype of the arithmetic.

    A bias or limit that this dtype does not have is infinite or zero.
    """

    def __init__(
        self, spec: LayerSpec, channels: int, dtype: DType, planes: bool, by_columns: bool, vectors: int
    ) -> None:
        """`planes`, `by_columns`, `vectors`: see `Variant`."""
        self.dtype, self.planes, self.by_columns, self.vectors = dtype, planes, by_columns, vectors
        self.depthwise: Array | None = None
        self.depthwise_bias: Array
        self.matrix: PackedMatrix | None = None
        multiplier = 1
        if spec.depthwise is not None:
            kernel = spec.depthwise.reshape(*spec.size, channels, -1)
            multiplier = kernel.shape[3]
            bias = spec.bias if spec.depthwise_only else spec.depthwise_bias
            self._pack_depthwise(kernel, np.zeros(channels * multiplier) if bias is None else bias)
            self.depthwise_limits = np.array(spec.clip if spec.depthwise_only else spec.depthwise_clip, dtype)
        if spec.dense is not None:
            self.matrix = PackedMatrix(spec.dense.reshape(-1, spec.results), dtype, vectors, spec.bias, spec.clip)
        elif spec.matrix is not None:
            matrix = spec.matrix
            if not planes and multiplier > 1:
                # All channels of the first multiple, then all of the second, ...
                order = matrix.reshape(channels, multiplier, -1)
                matrix = order.transpose(1, 0, 2).reshape(matrix.shape)
            self.matrix = PackedMatrix(matrix, dtype, vectors, spec.bias, spec.clip)

    def _pack_depthwise(self, kernel: Array, bias: Array) -> None:
        channels, multiplier = kernel.shape[2:]
        bias = np.asarray(bias).reshape(channels, multiplier)
        if self.by_columns:
            kernel = kernel.swapaxes(0, 1)
        if self.planes:
            # One channel of results after the other.
            self.depthwise = _filled(kernel.transpose(2, 3, 0, 1), self.dtype)
            self.depthwise_bias = _filled(bias, self.dtype)
            return
        lanes = lanes_of(self.dtype)
        starts = np.minimum(np.arange(0, channels, lanes), channels - lanes)
        block = starts[:, None] + np.arange(lanes)
        # (height, width, blocks, lanes, multiplier) -> multiplier, blocks, height, width, lanes; or width, height
        self.depthwise = _filled(kernel[:, :, block].transpose(4, 2, 0, 1, 3), self.dtype)
        self.depthwise_bias = _filled(bias[block].transpose(2, 0, 1), self.dtype)

    def write(self, args: Layer) -> None:
        """Tell kernels about the weights. The addresses are valid as long as these live."""
        if self.matrix is not None:
            self.matrix.write(args)
        if self.depthwise is not None:
            args.depthwise_weights = memory.address_of(self.depthwise)
            args.depthwise_bias = memory.address_of(self.depthwise_bias)
            args.depthwise_limits = memory.address_of(self.depthwise_limits)


class PackedMatrix:
    """A matrix that pixels are multiplied by: panels of `vectors` vectors of columns, then, if that is two, of one.

    The last panels overlap with those before them.
    """

    def __init__(
        self, matrix: Array, dtype: DType, vectors: int, bias: Array | None = None, clip: Range = UNCLIPPED
    ) -> None:
        lanes = lanes_of(dtype)
        self.depth, self.columns = depth, columns = matrix.shape
        self.vectors = vectors
        self.limits = np.array(clip, dtype)
        self.wide, self.narrow = panels(columns, lanes, vectors)
        units = vectors * self.wide + self.narrow
        self.values = aligned(units * lanes * depth, dtype)
        self.bias = aligned(units * lanes, dtype)
        self.bias[:] = 0
        # The panels that do not overlap, all at once; then the others.
        width = vectors * lanes
        full = columns // width
        position = full * width
        first = self.values[: position * depth].reshape(full, depth, width)
        first[...] = matrix[:, :position].reshape(depth, full, width).transpose(1, 0, 2)
        if bias is not None:
            self.bias[:position] = bias[:position]
        for number in range(full, self.wide + self.narrow):
            width = vectors * lanes if number < self.wide else lanes
            start = max(min(position, columns - width), 0)
            stop = min(start + width, columns)
            panel = self.values[position * depth : (position + width) * depth].reshape(depth, width)
            panel[:, : stop - start] = matrix[:, start:stop]
            panel[:, stop - start :] = 0
            if bias is not None:
                self.bias[position : position + stop - start] = bias[start:stop]
            position += width

    def write(self, args: Layer) -> None:
        """Tell kernels about the matrix. The addresses are valid as long as it lives."""
        args.depth, args.wide, args.narrow = self.depth, self.wide, self.narrow
        args.matrix = memory.address_of(self.values)
        args.bias = memory.address_of(self.bias)
        args.limits = memory.address_of(self.limits)


def panels(columns: int, lanes: int, vectors: int) -> tuple[int, int]:
    """How many panels of `vectors` vectors a matrix is cut into, and how many of one behind them."""
    wide, rest = divmod(columns, vectors * lanes) if columns >= vectors * lanes else (0, columns)
    if wide and rest > (lanes if vectors == 2 else 0):
        return wide + 1, 0
    return wide, -(-rest // lanes)


def lanes_of(dtype: DType) -> int:
    """Values in a vector register."""
    return jit.target().vector_bytes // dtype.itemsize


def aligned(size: int, dtype: DType) -> Array:
    """Room for `size` values that starts on a cache line."""
    return memory.aligned((size,), dtype)


def _filled(values: Array, dtype: DType) -> Array:
    filled = aligned(values.size, dtype)
    filled.reshape(values.shape)[...] = values
    return filled
