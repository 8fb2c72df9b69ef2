"""The path of every call: arguments checked, a program prepared or remembered, run, its results delivered.

A public function names a *builder*, which makes a filter or an *operation* of the image's frame and the call's
parameters. An operation makes a *program* of a *request*, which is all that is known of a call but its pixels; the
program runs on any image of that shape and dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy import may_share_memory, ndarray

from fastsep._engine.caches import MIB, Cache
from fastsep._engine.execution import LoadedKernel, Runner, is_within, vector_bytes
from fastsep._engine.memory import empty
from fastsep._plan import dtypes, planner, tuning
from fastsep._plan.pieces import unit_of
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter, Halo
from fastsep._validation import arrays, axes, scalars
from fastsep._validation.array_like import Array, Block, Borrowed, DType, StandIn, is_wrapper
from fastsep._validation.axes import Frame

if TYPE_CHECKING:
    from fastsep._plan.description import Description

BOOL = np.dtype(np.bool_)


class Rules:
    """How a function treats dtypes. Keys of remembered calls hold it and compare it by identity."""

    def __init__(
        self, rescale: bool, integer_out: bool, decides: bool, own_dtype: bool = False, same_dtype: bool = False
    ) -> None:  # fmt: skip
        self.rescale = rescale  # integers to [0, 1] or [-1, 1]
        self.integer_out = integer_out  # an integer `out` settles the dtype; scikit-image wants `dtype` too
        self.decides = decides  # the result is bool, and `dtype` that of the arithmetic
        # Pixels are compared, not summed: the dtype of the image is that of the arithmetic and of the result, but that
        # an `out` of any dtype gets the values converted. There is no `dtype`.
        self.own_dtype = own_dtype
        # Without `out` and `dtype` the result has the dtype of the image; values become integers as C casts them.
        self.same_dtype = same_dtype

    def __reduce__(self) -> str:
        """Pickled by name, so that it stays the same object."""
        return next(name for name, value in globals().items() if value is self)


SKIMAGE = Rules(rescale=True, integer_out=False, decides=False)
PRESERVED = Rules(rescale=False, integer_out=False, decides=False)
#: Of functions that scikit-image lacks.
OWN = Rules(rescale=False, integer_out=True, decides=False)
OWN_RESCALED = Rules(rescale=True, integer_out=True, decides=False)
DECISION = Rules(rescale=True, integer_out=False, decides=True)
#: Of order statistics: minimum, maximum, rank.
ORDER = Rules(rescale=False, integer_out=True, decides=False, own_dtype=True)
#: Of `fastsep.ndimage`, as in SciPy.
NDIMAGE = Rules(rescale=False, integer_out=True, decides=False, same_dtype=True)


class PerPixel:
    """Arguments that have a value for each pixel. Not hashable: a call with them is not remembered."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *values: Any) -> None:
        self.values = values


# Here and in `_ops` tuples with names, which are made in a tenth of a dataclass' time when this is imported.
class Request(NamedTuple):
    """What is known of a call but its pixels, with the axes in the order in which the engine reads them."""

    frame: Frame
    shape: tuple[int, ...]
    source: DType  # what the engine reads
    target: DType  # what it writes
    first: int  # leading axes that are a batch
    modes: tuple[str, ...]
    cval: float
    scale: float  # what values are multiplied by before anything else
    whole: tuple[int, ...] | None = None  # of a block, the shape of the image that it is a part of
    within: bool | None = None  # of a block, see `Block`

    @property
    def of_whole(self) -> Request:
        """The same for the whole image, by which the ways to compute something are compared."""
        return self if self.whole is None else self._replace(shape=self.whole, whole=None)

    def plan(self, what: Filter) -> Plan:
        """How one filter runs on these images."""
        return planner.prepare(
            what, self.shape, self.source, self.target, first=self.first, modes=self.modes, cval=self.cval,
            scale=self.scale,
        )  # fmt: skip

    def runner(self, what: Filter) -> Runner:
        """One filter, to be run on these images."""
        return Runner(self.plan(what))

    @property
    def finite_border(self) -> bool:
        """Whether what lies beyond the border is neither NaN nor infinite, as the engine reads it."""
        return "constant" not in self.modes or dtypes.finite_in(self.source, self.cval / self.scale)


class Program:
    """An operation that is ready to run on images of one shape and dtype, in any thread. It holds no pixels."""

    alone: Runner | None = None  # where `run` does nothing but run one plan
    limit: float | None = None  # where `run` first looks whether all pixels are finite and no larger than this
    local = True  # a result depends on nothing but the pixels within `halo`, and on what `look` sees
    accelerated = True  # it is not passed on to SciPy

    @property
    def unit(self) -> int:
        """Pixels are added up in groups, so many of which are whole groups along any axis."""
        return 1

    @property
    def halo(self) -> Halo:
        """Pixels that a result needs beside its own, along each spatial axis."""
        return self.describe().halo

    @property
    def look(self) -> Callable[..., bool] | None:
        """What `run` asks of all pixels first, as a function of (image, workers=): true if it is of all parts."""
        return None if self.limit is None else partial(is_within, limit=self.limit)

    def __init__(self, request: Request) -> None:
        self.source: DType | None = request.source  # what it reads; None: any image, as it is
        self.target, self.shape = request.target, request.shape  # of each result
        self.wraps = tuple(mode == "wrap" for mode in request.modes)  # along each spatial axis

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        """Compute `outs`. They are C-contiguous and share no memory with the image; so is that, if it has a source."""
        raise NotImplementedError

    def describe(self) -> Description:
        """What `explain` says of it."""
        raise NotImplementedError

    def run_single(self, image: Array, out: Array | None, workers: int | None) -> Array:
        """`run` for one result, into a new array if there is none."""
        if out is None:
            out = empty(self.shape, self.target)
        self.run(image, (out,), workers)
        return out


class Operation(NamedTuple):
    """What a builder returns where it is no plain filter."""

    prepare: Callable[[Request], Program]  # for images that are not empty
    tail: tuple[int, ...] = ()  # axes of a result behind those of the image
    in_vector: bool = False  # see `Filter`
    strides: tuple[int, ...] = ()  # along each spatial axis one of so many results stays; (): all do

    def stays(self, channel: int | None) -> tuple[slice, ...]:
        """What stays along each axis of an image whose channels, if it has any, are on this axis; (): all does."""
        if not self.strides:
            return ()
        strides = list(self.strides)
        if channel is not None:
            strides.insert(channel, 1)
        return tuple(slice(None, None, stride) for stride in strides)


# (frame, *parameters) -> what to compute
Builder: TypeAlias = Callable[..., Filter | Operation]


class FilterProgram(Program):
    """One plan."""

    def __init__(self, what: Filter, request: Request) -> None:
        super().__init__(request)
        self.what = what
        self.alone = self.runner = request.runner(what)

    @property
    def unit(self) -> int:
        return unit_of(self.runner.plan)

    @property
    def halo(self) -> Halo:
        return self.what.halo()

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        self.runner.run(image, outs[0], workers)

    def describe(self) -> Description:
        from fastsep._plan import description  # for `explain` alone

        return description.of_plan(self.what, self.runner.plan)


class Call:
    """A program, and how images get into it and results out of it."""

    __slots__ = ("clamp", "direct", "moved_axis", "program", "result", "run", "shape", "stays")

    run: Callable[[Array, Array | None, int | None], Array]

    def __init__(
        self, program: Program | None, direct: bool, shape: tuple[int, ...], result: DType, moved_axis: int | None,
        clamp: bool, stays: tuple[slice, ...] = (),
    ) -> None:  # fmt: skip
        """`program`: None for an empty image. `direct`: C-contiguous arrays go to the engine as they are. `moved_axis`:
        an axis of channels that the engine sees at the front. `stays`: see `Operation`."""
        self.program, self.direct, self.shape, self.result = program, direct, shape, result
        self.moved_axis, self.clamp, self.stays = moved_axis, clamp, stays
        if program is not None:  # two Python frames less where there is a plan alone
            self.run = program.run_single if program.alone is None else program.alone.run


class NotRun(Exception):
    """Raised instead of running where the image is a stand-in: what would run."""

    def __init__(
        self, program: Any, result: DType, direct: bool, shape: tuple[int, ...], channel: int | None, count: int
    ) -> None:  # fmt: skip
        """`program`: a `Program`, or what has a `source` and can `describe` itself, too; None for an empty image.
        `count`: of results, each of `shape`. `channel`: the axis of the image that is not filtered."""
        super().__init__()
        self.program, self.result, self.direct = program, result, direct
        self.shape, self.channel, self.count = shape, channel, count


def not_run(
    function: Callable[..., Any], shape: tuple[int, ...], dtype: DType, /, *args: Any, **kwargs: Any
) -> NotRun:  # fmt: skip
    """What `function(image, *args, **kwargs)`, of this package, would run for an image of this shape and dtype."""
    image = np.broadcast_to(np.zeros((), dtype), shape).view(StandIn)
    try:
        function(image, *args, **kwargs)
    except NotRun as found:
        return found
    name = getattr(function, "__name__", type(function).__name__)
    raise TypeError(f"`function` must be a filter or a layer of fastsep; got {name}.")


#: Remembered calls, by all that they depend on. Bounded by bytes: a program may hold several copies of a kernel.
_calls = Cache(16 * MIB, 256)

# Bits of ndarray.flags.num: C_CONTIGUOUS | ALIGNED, and WRITEABLE besides.
_READABLE = 0x101
_WRITEABLE = 0x501


def runs_at_once(call: Call, image: Array, out: Array | None, workers: Any) -> bool:
    """Whether a call like an earlier one goes to the engine as it is: nothing has to be converted, copied or refused.

    `image` has the shape and dtype of that call, as has `out`; both are plain arrays.
    """
    return (
        call.direct
        and image.flags.num & _READABLE == _READABLE
        and (workers is None or (type(workers) is int and workers > 0))
        and (
            out is None
            or (
                out.shape == call.shape
                and out.flags.num & _WRITEABLE == _WRITEABLE
                and image is not out
                # Two arrays that own their memory cannot share any; asking NumPy takes 0.3 us.
                and ((image.base is None and out.base is None) or not may_share_memory(image, out))
            )
        )
    )


def apply(
    builder: Builder, parameters: tuple[Any, ...], image: Any, mode: Any, cval: Any, channel_axis: Any, rules: Rules,
    dtype: Any, out: Any, workers: Any,
) -> Array:  # fmt: skip
    """Run the operation that `builder(frame, *parameters)` describes, for one result.

    A call like an earlier one goes straight to the engine: for small images the checks would cost more than the
    pixels. `cval` is in the key with its type because 0j equals 0 and is refused.
    """
    if type(image) is ndarray and (out is None or type(out) is ndarray):
        key = (
            image.shape, image.dtype, None if out is None else out.dtype, builder, parameters, mode, cval, type(cval),
            channel_axis, rules, dtype,
        )  # fmt: skip
        try:
            call = _calls.get(key)
        except TypeError:  # a list or an array among the parameters
            call = None
        if call is not None and runs_at_once(call, image, out, workers):
            return call.run(image, out, workers)  # type: ignore[no-any-return]
    options = (builder, parameters, mode, cval, type(cval), channel_axis, rules, dtype)
    return _checked(options, image, (out,), workers)[0]


def apply_for_several(
    builder: Builder, parameters: tuple[Any, ...], image: Any, mode: Any, cval: Any, channel_axis: Any, rules: Rules,
    dtype: Any, outs: Sequence[Any], workers: Any,
) -> list[Array]:  # fmt: skip
    """`apply` for several results, into `outs`, or where one is None into a new array."""
    options = (builder, parameters, mode, cval, type(cval), channel_axis, rules, dtype)
    if type(image) is ndarray and all(out is None for out in outs):
        try:
            call = _calls.get((image.shape, image.dtype, None, *options))
        except TypeError:
            call = None
        if call is not None and runs_at_once(call, image, None, workers):
            results = [empty(call.shape, call.result) for _ in outs]
            call.program.run(image, results, workers)
            return results
    return _checked(options, image, outs, workers)


@np.errstate(all="ignore")  # of taps, conversions and results
def _checked(options: tuple[Any, ...], image: Any, outs: Sequence[Any], workers: Any) -> list[Array]:
    """A call that is new, needs conversions, or fills several arrays of the caller's."""
    image = arrays.as_image(image)
    if not isinstance(image, ndarray) or type(image) is Borrowed:
        return foreign().apply(options, image, outs, workers)  # type: ignore[no-any-return]
    workers = None if workers is None else scalars.check_workers(workers)
    given = arrays.dtype_of_outs(outs)
    part = None
    if type(image) is Block:
        part, image = (image.whole, image.within), image.view(ndarray)
    options = _hashable(options)
    key: Any = (image.shape, image.dtype, given, *options)
    if part is not None:
        key = (*key, *part)
    try:
        known = _calls.get(key)
    except TypeError:  # unhashable, hence refused below or not remembered
        key, known = None, None
    call: Call = known or _prepare(options, image.shape, image.dtype, given, part)
    for out in outs:
        arrays.check_shape(out, call.shape)
    if type(image) is StandIn:
        channel = axes.channel(options[5], image.ndim)
        raise NotRun(call.program, call.result, call.direct, call.shape, channel, len(outs))
    results = perform(call, image, outs, workers)
    if known is None and key is not None:
        _calls.keep(key, call)  # not earlier: by now the program has made all that it keeps
    return results


def _hashable(options: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        hash(options)
    except TypeError:  # lists or arrays
        builder, parameters, mode, *others = options
        return (builder, scalars.hashable(parameters), scalars.hashable(mode), *others)
    return options


def for_whole(options: tuple[Any, ...], shape: tuple[int, ...], dtype: DType) -> tuple[tuple[Any, ...], Call]:
    """Options as those of its blocks, and the call for an image of which only shape and dtype are known."""
    options = _hashable(options)
    return options, _prepare(options, shape, dtype, None, None)


def foreign() -> ModuleType:
    """What handles arrays of other packages: imported by name, because it stands above this module."""
    return import_module("fastsep._arrays")


def wrapped() -> ModuleType:
    """What handles those that have another array inside."""
    return import_module("fastsep._arrays.wrapped")


Function = TypeVar("Function", bound=Callable[..., Any])


def takes_wrappers(function: Function) -> Function:
    """A function of several steps, whose first argument is an image, runs on the array that a wrapper has inside.

    Functions that do nothing with their image but give it to `apply` do not need this. Arguments come by position, as
    names would make small calls slower.
    """

    @wraps(function)
    def call(image: Any, *args: Any) -> Any:
        if type(image) is not ndarray:
            from fastsep._validation.borrowing import lent  # for arrays of other packages alone

            image = lent("image", image)
            if is_wrapper(image):
                return wrapped().call(function, image, args)
        return function(image, *args)

    return call  # type: ignore[return-value]


def _prepare(
    options: tuple[Any, ...], shape: tuple[int, ...], image_dtype: DType, out_dtype: DType | None,
    part: tuple[tuple[int, ...], bool | None] | None,
) -> Call:  # fmt: skip
    """Check what does not depend on pixels and let the program be made. `part`: of a block, `whole` and `within`."""
    builder, parameters, mode, cval, _, channel_axis, rules, dtype = options
    channel = axes.channel(channel_axis, len(shape))
    if rules.decides:
        arrays.check_bool(out_dtype)
        result, arithmetic = BOOL, arrays.arithmetic_dtype(image_dtype, dtype)
    elif rules.own_dtype:
        result = image_dtype.newbyteorder("=") if out_dtype is None else out_dtype
        arithmetic = dtypes.order_dtype(image_dtype)
    elif rules.same_dtype:
        result = arithmetic = out_dtype or dtype or image_dtype.newbyteorder("=")
    else:
        result = arithmetic = arrays.result_dtype(image_dtype, dtype, out_dtype, rules.integer_out)
    frame = Frame(len(shape), channel, image_dtype, arithmetic, 0.0)
    modes = axes.modes(mode, frame)
    cval = scalars.number("cval", cval) + 0.0  # no negative zero: it equals zero as a key
    if "constant" in modes:
        frame = frame._replace(border=cval)
    what = builder(frame, *parameters)

    unit = dtypes.unit(image_dtype) if rules.rescale and not frame.integer else 1.0
    if rules.own_dtype:
        source = target = arithmetic
        cval = dtypes.order_border(source, cval)
    elif rules.same_dtype and frame.integer:
        source, target = dtypes.cast_dtypes(image_dtype, result, cval if "constant" in modes else None)
    else:
        source, target = dtypes.source_dtype(image_dtype), dtypes.target_dtype(arithmetic)
        if "constant" in modes:
            source = dtypes.border_dtype(source, target, cval * unit)

    # The engine takes channels last, or first as a batch; from between they are moved to the front.
    moved = channel if channel not in (None, 0, len(shape) - 1) else None
    operation = what if isinstance(what, Operation) else Operation(partial(FilterProgram, what), (), what.in_vector)
    if operation.in_vector and channel == len(shape) - 1 and shape[-1] > vector_bytes() // 8:
        moved = channel  # more channels than a vector has lanes
    seen = shape if moved is None else axes.drop_axis(shape, moved)
    first = int(moved is not None or channel == 0)
    clamp = unit != 1.0 and image_dtype.kind == "i"
    program = None
    if 0 not in shape:
        whole, within = part or (None, None)
        if whole is not None and moved is not None:
            whole = axes.drop_axis(whole, moved)
        program = operation.prepare(Request(frame, seen, source, target, first, modes, cval, 1.0 / unit, whole, within))
    direct = False
    if program is not None:
        # Dtypes compare byte orders, too; and to NumPy None equals float64.
        reads = program.source is None or (program.source == image_dtype and not clamp)
        direct = reads and program.target == result and moved is None
    stays = operation.stays(channel)
    if stays:
        shape = tuple(len(range(length)[along]) for length, along in zip(shape, stays, strict=True))
    return Call(program, direct, (*shape, *operation.tail), result, moved, clamp, stays)


def perform(call: Call, image: Array, outs: Sequence[Any], workers: int | None) -> list[Array]:
    """Convert the image, run, and bring the results into the dtype and axis order asked for."""
    program = call.program
    if program is None:
        return [np.empty(call.shape, call.result) if out is None else out for out in outs]
    source, by_rows = image, _by_rows(program, image) if call.direct else None
    if by_rows is None and program.source is not None:
        source = dtypes.convert(image, program.source, call.moved_axis, call.clamp)
    targets, fitting = [], []
    for out in outs:
        # Results go to where they belong at once, if the engine can write there.
        fits = out is not None and call.moved_axis is None and out.dtype == program.target and out.flags.carray
        targets.append(np.asarray(out) if fits else empty(program.shape, program.target))
        fitting.append(fits)
    if any(fits and may_share_memory(source, out) for fits, out in zip(fitting, targets, strict=True)):
        source = source.copy()
    if by_rows is None:
        program.run(source, targets, workers)
    else:
        by_rows.run_rows(source, targets[0], 0, workers)
    return [
        out if fits else _delivered(call, values, out)
        for out, values, fits in zip(outs, targets, fitting, strict=True)
    ]  # fmt: skip


def _by_rows(program: Program, image: Array) -> LoadedKernel | None:
    """What reads an image whose rows lie apart, as those of a crop do, where it is; None: what has to be is copied."""
    if (
        program.alone is None
        or image.flags.c_contiguous
        or image.nbytes < tuning.APART_BYTES
        or not image.flags.aligned
    ):
        return None
    row = image[0]
    return program.alone.by_rows() if row.flags.c_contiguous and image.strides[0] >= row.nbytes else None


def _delivered(call: Call, values: Array, out: Any) -> Array:
    values = dtypes.finish(values, call.result)
    if call.moved_axis is not None:
        values = np.moveaxis(values, 0, call.moved_axis)
    if out is None:
        return values
    out[...] = values
    return out  # type: ignore[no-any-return]
