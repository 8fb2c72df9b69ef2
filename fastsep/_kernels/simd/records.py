"""Records (`_kernels/record.py`) in kernels: `Line(address).count` is a load from a fixed place behind the address."""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import lower_builtin, models, register_model, type_callable

from fastsep._kernels.record import Record
from fastsep._kernels.simd.emitter import I64, POINTER


class RecordType(types.Type):
    """The address of a record."""

    def __init__(self, kind):
        self.kind = kind
        super().__init__(kind.__name__)


@register_model(RecordType)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.IntType(64))


@infer_getattr
class _Fields(AttributeTemplate):
    key = RecordType

    def generic_resolve(self, record, name):
        field = record.kind.fields.get(name)
        if field is None:
            return None  # an error of typing, which names it
        return types.int64 if field.kind is None else RecordType(field.kind)


@lower_getattr_generic(RecordType)
def _read(context, builder, record, address, name):
    field = record.kind.fields[name]
    place = builder.add(address, I64(8 * field.number))
    if field.kind is not None:
        return place
    return builder.load(builder.inttoptr(place, POINTER), align=8, typ=I64)


@lower_setattr_generic(RecordType)
def _write(context, builder, signature, values, name):
    record, (address, value) = signature.args[0], values
    value = context.cast(builder, value, signature.args[1], types.int64)
    place = builder.add(address, I64(8 * record.kind.fields[name].number))
    builder.store(value, builder.inttoptr(place, POINTER), align=8)


def declare_all():
    """Let kernels call all records that there are by now."""
    kinds = [Record]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds[1:]:
        _declare(kind)


@cache
def _declare(kind):
    @type_callable(kind)
    def type_record(context):
        return lambda address, number=0: RecordType(kind)

    @lower_builtin(kind, types.Integer)
    def first(context, builder, signature, values):
        return values[0]

    @lower_builtin(kind, types.Integer, types.Integer)
    def numbered(context, builder, signature, values):
        address, number = values
        return builder.add(address, builder.mul(number, I64(8 * kind.length)))
