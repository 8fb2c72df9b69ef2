"""Banks of filters over one image: their common terms run strip by strip and mixed.

`correlate` is the way of every call: arguments checked, a bank prepared or remembered, the engine run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastsep import _dtypes, _estimate, _image, _plan, _run
from fastsep._block import block, lines_of, odd_lines
from fastsep._caches import MIB, Cache, remembered
from fastsep._funnel import apply
from fastsep._image import Array, DType, Frame
from fastsep._kernels import blocks, jit
from fastsep._kernels import conv_words as at
from fastsep._layer import ALL, STREAM_BYTES, Layer
from fastsep._pieces import Piece, columns, narrow, pieces_of_bank
from fastsep._plan import Line, Plan, Separable, Term
from fastsep._strategy import candidates, pack, unpack
from fastsep.factor_bank import BankFactorization, factorize_bank

METHODS = ("auto", "separable", "direct")
#: Planes of all terms of one strip: they stay in the last level of the cache (measured: 1 to 8 MiB differ little).
PLANES_BYTES = 4 << 20
#: What is left of a sum of zero, as a part of the taps, that no image is so high as to show.
_LEVEL = 1e-13
#: Banks prepared for a shape and dtype.
_KEPT = 32
_prepared = Cache(8 * MIB, _KEPT)


@np.errstate(all="ignore")
def correlate(
    image: Any,
    kernels: Any,
    tol: Any,
    method: Any,
    mode: Any,
    cval: Any,
    channel_axis: Any,
    out: Any,
    dtype: Any,
    workers: Any,
) -> Array:
    """`fastsep.correlate_bank`."""
    image = _image.as_image(image)
    tol = _image.not_negative("tol", tol)
    method = _image.one_of("method", method, METHODS)
    workers = None if workers is None else _image.check_workers(workers)
    channel = _image.channel(channel_axis, image.ndim)
    result = _result(image.dtype, dtype, out)
    frame = Frame(image.ndim, channel, image.dtype, result, 0.0)
    _image.need_2d(frame)
    modes = _image.modes(mode, frame)
    cval = _image.number("cval", cval) + 0.0
    what = _kernels(kernels, tol, result)
    shape = (*image.shape, what.count)
    if out is not None and out.shape != shape:
        raise _image.ArgumentError(f"`out` must have shape {shape}, the kernels behind the image; got {out.shape}.")

    source, tame = _dtypes.source_dtype(image.dtype), True
    if "constant" in modes:
        source = _dtypes.border_dtype(source, result, cval)
        tame = _dtypes.finite_in(source, cval)
    # The engine takes channels last, or first as a batch; from between they are moved to the front.
    front = channel if channel not in (None, 0, image.ndim - 1) else None
    order = image.shape if front is None else _image.drop_axis(image.shape, front)

    def prepared() -> Bank:
        parts = what.parts()
        acc = _plan.F64 if _cancels(parts) else result
        return _bank(parts, order, source, acc, channel == 0 or front is not None, modes, cval)

    direct_cost = _direct_cost(what, image.size, result)
    if isinstance(image, _image.Probe):
        bank = None if 0 in shape else prepared()
        takes_terms = bank is not None and (method == "separable" or (method == "auto" and bank.cost <= direct_cost))
        image.seen.append(Explained(bank, what.dense().shape, takes_terms, direct_cost, source, result))
        return np.broadcast_to(np.zeros((), result), shape)
    if 0 in shape:
        return _run.empty(shape, result) if out is None else out

    pixels = _dtypes.convert(image, source, front, False)
    if method == "auto" and tame and source.kind == "f":
        tame = _run.is_within(pixels, _limit(what, result), workers)
    if method == "auto" and not tame:
        method = "direct"
    bank = None if method == "direct" else prepared()
    if bank is None or (method == "auto" and bank.cost > direct_cost):
        return _one_by_one(image, what.dense(), mode, cval, channel_axis, result, out, workers)
    return _perform(bank, pixels, front, out, result, workers)


def _result(image: DType, dtype: Any, out: Any) -> DType:
    if out is not None:
        _image.check_writeable(out)
        if out.dtype.kind != "f":
            raise ValueError(f"dtype of `out` must be float32 or float64 for a bank; got {out.dtype}.")
    wanted = _image.result_dtype(image, dtype, None if out is None else out.dtype)
    result: DType = wanted.newbyteorder("=")
    if result not in _dtypes.ENGINE_DTYPES[-2:]:
        raise ValueError(f"`dtype` must be float32 or float64 for a bank; got {wanted}.")
    return result


def _perform(bank: Bank, pixels: Array, front: int | None, out: Any, result: DType, workers: int | None) -> Array:
    """Run, and bring the result into the axis order and the dtype asked for."""
    plain = None if out is None or front is not None else np.asarray(out)
    if plain is not None and plain.flags.c_contiguous and plain.flags.aligned and plain.dtype == bank.dtype:
        if np.may_share_memory(pixels, plain):
            pixels = pixels.copy()
        bank.run(pixels, plain, workers)
        return out  # type: ignore[no-any-return]
    values = _run.empty((*pixels.shape, bank.shape[-1]), bank.dtype)
    bank.run(pixels, values, workers)
    if front is not None:
        values = np.ascontiguousarray(np.moveaxis(values, 0, front))
    if out is None:
        return values.astype(result, copy=False)
    out[...] = values
    return out  # type: ignore[no-any-return]


# ---- kernels


@dataclass(frozen=True, slots=True)
class _Kernels:
    """The kernels of a call, factorized or to be factorized."""

    count: int
    taps: int  # that are not zero
    size: float  # the largest sum of magnitudes of a kernel, or of its terms
    dense: Callable[[], Array]
    parts: Callable[[], BankFactorization]


def _kernels(kernels: Any, tol: float, result: DType) -> _Kernels:
    if isinstance(kernels, BankFactorization):
        if tol:
            raise ValueError(f"`tol` must be 0 for kernels that are factorized already; got {_image.show(tol)}.")
        # The taps of a line sum to one.
        size = float(np.abs(kernels.mix).sum(axis=0).max())
        return _Kernels(
            kernels.mix.shape[1], kernels.dense_multiplications, size, kernels.dense, lambda: kernels
        )  # fmt: skip
    stack = _image.kernel_stack(kernels)
    allowed = tol
    sizes = np.abs(stack).sum(axis=(1, 2))
    if result.itemsize <= 4 and sizes.any():
        # What float32 arithmetic rounds away of the smallest kernel is no part of the bank.
        tol += 2.0**-25 * float(sizes[sizes > 0].min())
    return _Kernels(
        len(stack), int(np.count_nonzero(stack)), float(sizes.max()), lambda: stack,
        lambda: _factorized(pack(stack), tol, allowed == 0.0),
    )  # fmt: skip


def _cancels(parts: BankFactorization) -> bool:
    """Whether terms cancel on a constant image that do not vanish there one by one.

    What is left of them in float32 is rounding where an image stands high and differs little.
    """
    sums = parts.mix * (parts.y_taps.sum(axis=1) * parts.x_taps.sum(axis=1))[:, None]  # (r, n)
    rounding = _plan.ZERO_SUM_DENSE * np.abs(parts.dense()).sum(axis=(1, 2))
    return bool(((np.abs(sums.sum(axis=0)) <= rounding) & (np.abs(sums).max(axis=0) > rounding)).any())


def _limit(what: _Kernels, result: DType) -> float:
    """Pixels up to this size make no sum of terms overflow, which are at most 16 times the kernels' taps."""
    return float(np.finfo(result).max) / (64 * max(what.size, 1.0))


@remembered(4 * MIB, 8)
def _factorized(key: tuple[bytes, tuple[int, ...]], tol: float, level: bool) -> BankFactorization:
    parts = factorize_bank(unpack(key), tol=tol or None)
    return _levelled(parts, unpack(key)) if level else parts


def _levelled(parts: BankFactorization, kernels: Array) -> BankFactorization:
    """With one more term, a single tap, that lets kernels sum to zero again: what was left out may not."""
    off = parts.dense().sum(axis=(1, 2))
    sizes = np.abs(kernels).sum(axis=(1, 2))
    even = np.array([_plan.middle(kernel) is None for kernel in kernels]) | (np.abs(off) <= _LEVEL * sizes)
    if even.all():
        return parts
    off[even] = 0.0
    y, x = (np.eye(1, length, length // 2) for length in kernels.shape[1:])
    return replace(
        parts, y_taps=np.vstack([parts.y_taps, y]), x_taps=np.vstack([parts.x_taps, x]),
        mix=np.vstack([parts.mix, -off]), errors=parts.errors + np.abs(off),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explained:
    """What a call would do."""

    bank: Bank | None  # None for an empty image
    kernels: tuple[int, ...]  # (n, kh, kw)
    takes_terms: bool
    direct_cost: float
    source: DType
    result: DType


def _bank(
    parts: BankFactorization, shape: tuple[int, ...], source: DType, result: DType, batch: bool,
    modes: tuple[str, ...], cval: float,
) -> Bank:  # fmt: skip
    """The bank for C-contiguous images of one shape and dtype, made or remembered."""
    key = (id(parts), shape, source, result, batch, modes, cval)
    found = _prepared.get(key)
    if found is None or found.parts is not parts:
        found = Bank(parts, shape, source, result, batch, modes, cval)
        _prepared.keep(key, found)
    return found


def _one_by_one(
    image: Array, kernels: Array, mode: Any, cval: float, channel_axis: Any, result: DType, out: Any,
    workers: int | None,
) -> Array:  # fmt: skip
    values = _run.empty((*image.shape, len(kernels)), result) if out is None else out
    if out is not None and np.may_share_memory(image, out):
        image = image.copy()
    for number, kernel in enumerate(kernels):
        parameters = (pack(np.ascontiguousarray(kernel)), False, 0.0, "direct")
        values[..., number] = apply(
            candidates, parameters, image, mode, cval, channel_axis, False, result, None, workers
        )
    return values


def _direct_cost(what: _Kernels, values: int, result: DType) -> float:
    """Nanoseconds of `_one_by_one`, each of whose results is copied into its place among the others."""
    lanes = jit.target().vector_bytes // result.itemsize
    vectors = values / lanes
    per_kernel = _estimate.CONSTANTS["DENSE_VECTOR"] + lanes * _estimate.CONSTANTS["SCATTER"]
    return float(vectors * (what.count * per_kernel + what.taps * _estimate.CONSTANTS["DENSE_TAP"]))


class Bank:
    """Separable terms, each by its plan, and their combinations."""

    def __init__(
        self, parts: BankFactorization, shape: tuple[int, ...], source: DType, acc: DType, batch: bool,
        modes: tuple[str, ...], cval: float,
    ) -> None:  # fmt: skip
        """For images of `shape`: a batch if `batch`, rows, columns, then perhaps channels."""
        images, rows = (shape[0], shape[1]) if batch else (1, shape[0])
        width = math.prod(shape) // (images * rows)
        self.parts, self.dtype, mix = parts, acc, parts.mix
        plans = [
            _plan.prepare(
                _term(y, x), shape, source, acc, first=int(batch), modes=modes, cval=cval, scale=1.0,
                vector_bytes=jit.target().vector_bytes,
            )
            for y, x in zip(parts.y_taps, parts.x_taps, strict=True)
        ]  # fmt: skip
        vectors = math.prod(shape) / (jit.target().vector_bytes // acc.itemsize)
        self.cost = sum(map(_estimate.nanoseconds, plans)) + vectors * mix.size * _estimate.CONSTANTS["MIX"]
        self.plans, self.mix, self.shape = plans, mix, (images, rows, width, mix.shape[1])
        self.engine: _Engine | _InPieces | None = None

    def run(self, image: Array, out: Array, workers: int | None) -> None:
        """Filter `image` into `out`, both C-contiguous and of the shapes and dtypes prepared for."""
        if self.engine is None:
            pieces = pieces_of_bank(self.plans)
            self.engine = (
                _InPieces(self.plans, self.mix, pieces) if pieces else _Engine(self.plans, self.mix, self.shape)
            )
        self.engine.run(image, out, workers)


class _Engine:
    """A bank with its kernels loaded and its argument block filled in."""

    def __init__(self, plans: Sequence[Plan], mix: Array, shape: tuple[int, int, int, int]) -> None:
        images, rows, width, _ = shape
        acc = plans[0].dst
        layer = self.layer = Layer(dtype=acc, dense=mix[None, None])
        made = [block(plan) for plan in plans]
        self.keep = (made, np.concatenate([each.words for each in made]))
        self.kernels = np.array([jit.kernel(*plan.kernel) for plan in plans], np.int64)
        self.work = sum(plan.work for plan in plans) + float(mix.size * images * rows * width)
        self.address = jit.kernel("bank")
        self.band: Callable[..., int] = jit.BAND(self.address)

        total = images * rows
        row_bytes = len(plans) * width * acc.itemsize
        lanes = jit.target().vector_bytes // acc.itemsize
        high = max(PLANES_BYTES // row_bytes // lanes, 1) * lanes  # whole blocks of the terms' kernels
        self.strips = strips = -(-total // high)
        words = self.words = np.zeros(at.CONV_WORDS, np.int64)
        words[at.IMAGES], words[at.OUT_ROWS], words[at.OUT_COLS] = images, rows, width
        words[at.OUT_CHANNELS], words[at.CHANNELS] = layer.out_channels, layer.depth
        words[at.DEPTH], words[at.RUNS] = layer.depth, 1
        words[at.MATRIX], words[at.BIAS] = layer.matrix.ctypes.data, layer.bias.ctypes.data
        words[at.LIMITS] = layer.limits.ctypes.data
        words[at.WIDE], words[at.NARROW] = layer.wide, layer.narrow
        words[at.STRIP] = strip = layer.strip()
        words[at.FINISH] = jit.kernel("conv_matrix", "planes", str(layer.vectors), acc.name)
        words[at.STRIPS] = strips
        words[at.TERM_BLOCKS], words[at.TERM_KERNELS] = self.keep[1].ctypes.data, self.kernels.ctypes.data
        words[at.TERMS_GROUP] = group = odd_lines(-(-total // strips) * width * acc.itemsize)
        self.end = at.TILE_BYTES
        self._take(8 * blocks.BLOCK_WORDS * len(plans), at.PACKED)
        self._take(max(each.scratch for each in made), at.TERM_SCRATCH)
        self._take(group * len(plans), at.TERMS)
        if strip < ALL and math.prod(shape) * acc.itemsize >= STREAM_BYTES:
            self._take(strip * layer.out_channels * acc.itemsize, at.STREAMED)
        words[blocks.SCRATCH_BAND] = self.end

    def _take(self, size: int, word: int) -> None:
        """Reserve `size` bytes of scratch on a cache line and note their offset in `word`."""
        self.words[word] = self.end
        self.end += lines_of(size)

    def run(self, image: Array, out: Array, workers: int | None) -> None:
        """As `Bank.run`."""
        bands = min(_run.bands_for(self.work, workers), self.strips)
        workspace = _run.take_workspace(self.end * bands)
        words = workspace.words[: len(self.words)]
        words[:] = self.words
        words[blocks.SCRATCH] = workspace.scratch
        words[blocks.SRC], words[blocks.DST] = _run.address_of(image), _run.address_of(out)
        words[blocks.BANDS] = bands
        workspace.filled_by = None
        if bands == 1:
            self.band(jit.UNUSED, jit.UNUSED, workspace.address, 0)
        else:
            _run.run_bands(self, workspace.address, bands)
        _run.give_back(workspace)


class _InPieces:
    """A bank for images with rows too long to be filtered whole (see `_pieces`)."""

    def __init__(self, plans: Sequence[Plan], mix: Array, pieces: Sequence[Piece]) -> None:
        *rows, self.cols, self.channels = plans[0].view
        self.rows, self.dtype, self.count = math.prod(rows), plans[0].dst, mix.shape[1]
        # Pieces of one shape share an engine.
        made: dict[tuple[int, ...], _Engine] = {}
        self.parts: list[tuple[Piece, _Engine]] = []
        for piece in pieces:
            key = (piece.cols, piece.left, piece.right, piece.beyond)
            if key not in made:
                shape = (rows[0] * rows[1], rows[2], piece.cols * self.channels, self.count)
                made[key] = _Engine([narrow(plan, piece) for plan in plans], mix, shape)
            self.parts.append((piece, made[key]))

    def run(self, image: Array, out: Array, workers: int | None) -> None:
        """As `Bank.run`."""
        lines = image.reshape(self.rows, self.cols, self.channels)
        results = out.reshape(self.rows, self.cols, self.channels, self.count)
        for piece, engine in self.parts:
            made = _run.empty((self.rows, piece.cols, self.channels, self.count), self.dtype)
            engine.run(np.ascontiguousarray(columns(lines, piece)), made, workers)
            inner = slice(piece.left, piece.left + piece.stop - piece.start)
            results[:, piece.start : piece.stop] = made[:, inner]


def _term(y: Array, x: Array) -> Separable:
    lines = (Line(tuple(taps.tolist()), len(taps) // 2) for taps in (y, x))
    return Separable((Term(tuple(lines)),))
