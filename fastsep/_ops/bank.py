"""Banks of filters over one image: their common terms run strip by strip and mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fastsep._call import OWN, Operation, Program, Request, apply
from fastsep._engine import bands as _bands
from fastsep._engine import execution, memory
from fastsep._engine.argument_writer import lines_of, odd_lines
from fastsep._engine.caches import MIB, remembered
from fastsep._engine.kernel_arguments import block
from fastsep._kernels import jit
from fastsep._kernels.arguments import BLOCK_WORDS, DST, SCRATCH, SRC
from fastsep._kernels.layers import arguments as at
from fastsep._ops.choice import pack, unpack
from fastsep._ops.layers.variant import ALL, strip_of
from fastsep._ops.layers.weights import PackedMatrix
from fastsep._plan import arithmetic, cost_model, description, differences, dtypes, tuning
from fastsep._plan.description import Description
from fastsep._plan.pieces import Piece, columns, narrow, pieces_of_bank
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Dense, Halo, Line, Separable, Term
from fastsep._validation import array_like, axes, filter_kernels, scalars
from fastsep._validation.array_like import Array, DType
from fastsep._validation.axes import Frame
from fastsep.factorization.bank import BankFactorization, factorize_bank

METHODS = ("auto", "separable", "direct")
#: A kernel whose taps sum to less than this part of their magnitudes sums to zero: no image shows the difference.
_LEVEL = 1e-13


def correlate(
    image: Any, kernels: Any, tol: Any, method: Any, mode: Any, cval: Any, channel_axis: Any, out: Any, dtype: Any,
    workers: Any,
) -> Array:  # fmt: skip
    """`fastsep.correlate_bank`."""
    tol = scalars.tolerance(tol)
    if isinstance(kernels, BankFactorization):
        if tol:
            raise ValueError(f"`tol` must be 0 for kernels that are factorized already; got {array_like.show(tol)}.")
    else:
        kernels = pack(filter_kernels.kernel_stack(kernels))
    parameters = (kernels, tol, method)
    return apply(_bank, parameters, image, mode, cval, channel_axis, OWN, dtype, out, workers)


def _bank(frame: Frame, kernels: Any, tol: float, method: Any) -> Operation:
    method = scalars.one_of("method", method, METHODS)
    axes.need_2d(frame)
    if frame.result.newbyteorder("=") not in dtypes.ENGINE_DTYPES[-2:]:
        raise ValueError(f"`dtype`, or that of `out`, must be float32 or float64 for a bank; got {frame.result}.")
    bank = _kernels(kernels, tol, frame.result)
    return Operation(partial(BankProgram, bank, method), (bank.count,))


class BankProgram(Program):
    """A bank for images of one shape and dtype: terms, or kernels one by one."""

    def __init__(self, kernels: _Kernels, method: str, request: Request) -> None:
        super().__init__(request)
        self.request, self.kernels = request, kernels
        self.shape = (*request.shape, self.kernels.count)
        whole = request.of_whole
        self.direct_cost = _direct_cost(self.kernels, math.prod(whole.shape), self.target)
        auto = method == "auto"
        self.bank: Bank | None = None
        if method == "separable" or (auto and request.finite_border):
            self.bank = Bank(self.kernels.parts(), whole)
        self.takes_terms = self.bank is not None and not (auto and self.bank.cost > self.direct_cost)
        if self.takes_terms and auto and request.source.kind == "f":
            if request.within is None:
                self.limit = _limit(self.kernels, self.target)
            else:
                self.takes_terms = request.within
        if self.takes_terms and whole is not request:
            self.bank = Bank(self.kernels.parts(), request)
        self.runners: list[execution.Runner] | None = None

    @property
    def halo(self) -> Halo:
        return tuple((n // 2, n - 1 - n // 2) for n in self.kernels.dense().shape[1:])

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        terms = self.takes_terms
        if self.limit is not None:
            terms = execution.is_within(image, self.limit, workers)
        if terms:
            assert self.bank is not None
            self.bank.run(image, outs[0], workers)
            return
        if self.runners is None:
            stack = self.kernels.dense()
            centre = tuple(n // 2 for n in stack.shape[1:])
            self.runners = [self.request.runner(Dense(np.ascontiguousarray(kernel), centre)) for kernel in stack]
        one = memory.empty(image.shape, self.target)
        for number, runner in enumerate(self.runners):
            outs[0][..., number] = runner.run(image, one, workers)

    def describe(self) -> Description:
        bank = Bank(self.kernels.parts(), self.request) if self.bank is None else self.bank
        parts, terms = bank.parts, self.takes_terms
        count = self.kernels.count
        ways = {
            "separable": (bank.cost * 1e-9, f"{parts.rank} terms for {count} kernels"),
            "direct": (self.direct_cost * 1e-9, f"{count} kernels one by one"),
        }
        takes, other = ("separable", "direct") if terms else ("direct", "separable")
        lines = zip(parts.y_taps, parts.x_taps, strict=True) if terms else ()
        shown = description.shown
        return Description(
            arithmetic=self.target, strategy=takes, why=ways[takes][1],
            terms=tuple(f"{shown(y.tolist())} x {shown(x.tolist())}" for y, x in lines),
            multiplications=parts.multiplications if terms else parts.dense_multiplications,
            dense_multiplications=parts.dense_multiplications,
            halo=self.halo, error=parts.error if terms else 0.0,
            seconds=ways[takes][0], rejected=((other, *ways[other]),),
            notes=("an image with NaN or infinity takes another way: direct",) if self.limit is not None else (),
        )  # fmt: skip


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
        # The taps of a line sum to one.
        size = float(np.abs(kernels.mix).sum(axis=0).max())
        return _Kernels(
            kernels.mix.shape[1], kernels.dense_multiplications, size, kernels.dense, lambda: kernels
        )  # fmt: skip
    stack, allowed = unpack(kernels), tol
    sizes = np.abs(stack).sum(axis=(1, 2))
    if result.itemsize <= 4 and sizes.any():
        # What float32 arithmetic rounds away of the smallest kernel is no part of the bank.
        tol += 2.0**-25 * float(sizes[sizes > 0].min())
    return _Kernels(
        len(stack), int(np.count_nonzero(stack)), float(sizes.max()), lambda: stack,
        lambda: _factorized(kernels, tol, allowed == 0.0),
    )  # fmt: skip


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
    even = np.array([differences.middle(kernel) is None for kernel in kernels]) | (np.abs(off) <= _LEVEL * sizes)
    if even.all():
        return parts
    off[even] = 0.0
    y, x = (np.eye(1, length, length // 2) for length in kernels.shape[1:])
    return replace(
        parts, y_taps=np.vstack([parts.y_taps, y]), x_taps=np.vstack([parts.x_taps, x]),
        mix=np.vstack([parts.mix, -off]), errors=parts.errors + np.abs(off),
    )  # fmt: skip


def _direct_cost(what: _Kernels, values: int, result: DType) -> float:
    """Nanoseconds of the kernels one by one, each of whose results is copied into its place among the others."""
    lanes = cost_model.lanes(result)
    vectors = values / lanes
    per_kernel = cost_model.CONSTANTS["DENSE_VECTOR"] + lanes * cost_model.CONSTANTS["SCATTER"]
    return float(vectors * (what.count * per_kernel + what.taps * cost_model.CONSTANTS["DENSE_TAP"]))


class Bank:
    """Separable terms, each by its plan, and their combinations."""

    def __init__(self, parts: BankFactorization, request: Request) -> None:
        shape, acc, batch = request.shape, request.target, request.first
        images, rows = (shape[0], shape[1]) if batch else (1, shape[0])
        width = math.prod(shape) // (images * rows)
        self.parts = parts
        terms, mix = _terms(parts, acc)
        plans = [request.plan(term) for term in terms]
        vectors = math.prod(shape) / cost_model.lanes(acc)
        self.cost = sum(map(cost_model.nanoseconds, plans)) + vectors * mix.size * cost_model.CONSTANTS["MIX"]
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
        matrix = self.matrix = PackedMatrix(mix, acc, 2)
        made = [block(plan) for plan in plans]
        self.keep = (made, np.concatenate([each.words for each in made]))
        self.kernels = np.array([jit.kernel(*plan.kernel) for plan in plans], np.int64)
        work = sum(plan.work for plan in plans) + float(mix.size * images * rows * width)
        self.work = _bands.float32_work(work, acc)
        self.address = jit.kernel("bank")
        self.first_band: Callable[..., int] = jit.FIRST_BAND(self.address)

        total = images * rows
        row_bytes = len(plans) * width * acc.itemsize
        lanes = jit.target().vector_bytes // acc.itemsize
        high = max(tuning.PLANES_BYTES // row_bytes // lanes, 1) * lanes  # whole blocks of the terms' kernels
        self.strips = strips = -(-total // high)
        self.words = np.zeros(at.Bank.length, np.int64)
        args = at.Bank(self.words)
        args.images, args.out_rows, args.out_cols = images, rows, width
        args.out_channels, args.channels = matrix.columns, matrix.depth
        matrix.write(args)
        args.strip = strip = strip_of(matrix.depth, matrix.columns, acc, matrix.vectors)
        args.finish = jit.kernel("gemm", "planes", str(matrix.vectors), acc.name)
        args.strips = strips
        args.term_blocks, args.term_kernels = self.keep[1].ctypes.data, self.kernels.ctypes.data
        args.factors_group = group = odd_lines(-(-total // strips) * width * acc.itemsize)
        self.end = at.TILE_BYTES
        args.packed = self._take(8 * BLOCK_WORDS * len(plans))
        args.run_table = self._take(8 * len(plans))
        args.term_scratch = self._take(max(each.scratch for each in made))
        args.factors = self._take(group * len(plans))
        if strip < ALL and math.prod(shape) * acc.itemsize >= tuning.STREAM_LAYER:
            args.streamed = self._take(strip * matrix.columns * acc.itemsize)
        self.worth = min(_bands.bands_worth(self.work), strips)

    def _take(self, size: int) -> int:
        """Reserve `size` bytes of scratch on a cache line; returns their offset."""
        offset = self.end
        self.end += lines_of(size)
        return offset

    def run(self, image: Array, out: Array, workers: int | None) -> None:
        """As `Bank.run`."""
        threads = min(_bands.threads_for(self.work, workers), self.strips)
        stride = memory.BLOCK_BYTES + self.end
        workspace = memory.take_workspace(self.end + (threads - 1) * stride)
        words = workspace.words[: len(self.words)]
        words[:] = self.words
        words[SCRATCH] = workspace.scratch
        words[SRC], words[DST] = memory.address_of(image), memory.address_of(out)
        workspace.filled_by = None
        _bands.launch(self, workspace, threads, _bands.bands_of(threads, self.worth), stride)
        memory.give_back(workspace)


class _InPieces:
    """A bank for images with rows too long to be filtered whole (see `_plan.pieces`)."""

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
            made = memory.empty((self.rows, piece.cols, self.channels, self.count), self.dtype)
            engine.run(np.ascontiguousarray(columns(lines, piece)), made, workers)
            inner = slice(piece.left, piece.left + piece.stop - piece.start)
            results[:, piece.start : piece.stop] = made[:, inner]


def _terms(parts: BankFactorization, acc: DType) -> tuple[list[Separable], Array]:
    """What to filter with, and the (len of it, n) matrix by which the results are mixed.

    Where kernels sum to zero and their terms do not, what is left of these in float32 is rounding, if an image stands
    high and differs little. So the part of a term that does not vanish on a constant image is taken from it. Of all
    terms of a kernel it amounts to its sum times the pixel itself, which is nothing at all if the kernel sums to zero.
    """
    plain, mix = [_term(y, x) for y, x in zip(parts.y_taps, parts.x_taps, strict=True)], parts.mix
    sums = (parts.y_taps.sum(axis=1) * parts.x_taps.sum(axis=1))[:, None] * mix
    sizes = np.abs(parts.dense()).sum(axis=(1, 2))
    counts = np.abs(sums) > differences.ZERO_SUM_DENSE * sizes
    zero_sum = np.abs(sums.sum(axis=0)) <= differences.ZERO_SUM_DENSE * sizes
    if acc != arithmetic.F32 or not (counts & zero_sum).any():
        return plain, mix
    stands = counts.any(axis=1)
    terms = [
        _difference(y, x) if stand else term
        for y, x, stand, term in zip(parts.y_taps, parts.x_taps, stands, plain, strict=True)
    ]
    level = sums[stands].sum(axis=0)
    level[np.abs(level) <= _LEVEL * sizes] = 0.0
    if level.any():
        terms.append(Separable((Term((IDENTITY, IDENTITY)),)))
        mix = np.vstack([mix, level])
    used = [term is not None for term in terms]
    return [term for term in terms if term is not None], mix[used]


def _term(y: Array, x: Array) -> Separable:
    return Separable((Term((_line(y), _line(x))),))


def _difference(y: Array, x: Array) -> Separable | None:
    """A term less its sum times the middle tap, in lines that sum to zero themselves; None if nothing is left.

    y x - sum(y) sum(x) m m = y (x - sum(x) m) + sum(x) (y - sum(y) m) m, where m is 1 in the middle.
    """
    y_sum, x_sum = (math.fsum(taps) for taps in (y, x))
    y_rest, x_rest = y.copy(), x.copy()
    for rest, total in ((y_rest, y_sum), (x_rest, x_sum)):
        rest[len(rest) // 2] -= total
    terms = []
    if x_sum and y_rest.any():
        terms.append(Term((_line(x_sum * y_rest), None)))
    if x_rest.any():
        terms.append(Term((_line(y), _line(x_rest))))
    return Separable(tuple(terms)) if terms else None


def _line(taps: Array) -> Line:
    return Line(tuple(taps.tolist()), len(taps) // 2)
