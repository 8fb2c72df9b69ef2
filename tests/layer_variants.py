"""The variants that the kernels of a layer can run, for tests that force them."""

from fastsep._kernels import jit
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.layers.tile_sizes import matrix_rows
from fastsep._ops.layers import variant as variants
from fastsep._ops.layers.prepared import PreparedLayer
from fastsep._ops.layers.weights import PackedWeights, lanes_of, panels


def possible(name, spec, image, variant, chosen):
    """Values of one field, where those before it are as in `variant`. `chosen`: what `choose_variant` says."""
    images, rows, cols, results = image.result_shape
    lanes, groups = lanes_of(image.dtype), variants.groups_of(image, variant)
    blocks, alone = not variant.planes, variant.stages == (at.BOTH,)
    single = blocks and spec.depthwise is not None and variants.multiplier_of(spec, image) == 1
    large = matrix_rows(variant.vectors)[0]
    units = max(groups, sum(panels(results, lanes, variant.vectors)) if spec.depth else 0)
    tiles = images * variant.tiles_y * -(-cols // variant.tile_cols)
    wide = spec.depth > 0 and blocks and jit.target().tile == 8 and results >= 4 * lanes
    stages = [(at.BOTH,)]
    if images == 1 and (spec.depth or variant.writes_out):
        stages.append((at.FIRST, at.SECOND) if spec.depth else (at.FIRST,))
    streams = alone and (variant.strip < variants.ALL if spec.depth else variant.writes_out and variant.chunk == groups)
    return {
        "planes": [chosen.planes],
        "by_columns": [chosen.by_columns],
        "vectors": [2, 4] if wide else [2],
        "writes_out": [False, True] if single and spec.depthwise_only else [False],
        "zero_copy": [False, True] if spec.dense is not None and not (blocks and image.stride[1] > 1) else [False],
        "in_place": [False, True] if single and image.source == image.dtype else [False],
        "unrolled": [(0, 0), chosen.unrolled],
        "split": [(0, 0), chosen.split],
        "joined": [0, chosen.joined],
        "stages": stages,
        "tiles_y": [n for n in sorted({1, 2, rows, chosen.tiles_y}) if n <= rows] if alone else [1],
        "tile_cols": [n for n in sorted({1, 5, 28, cols, chosen.tile_cols}) if n <= cols] if alone else [cols],
        "chunk": [groups] if variant.split[0] else [n for n in sorted({1, 2, groups, chosen.chunk}) if n <= groups],
        "strip": [large, 3 * large, variants.ALL, chosen.strip] if spec.depth else [variants.ALL],
        "streamed": [False, True] if streams else [False],
        "threads": [n for n in (1, 2, 3, 5) if n <= max(tiles if alone else units, 1)],
        "bands": [n for n in (1, 2, 3, 5, 8) if variant.threads <= n <= max(tiles if alone else units, 1)],
    }[name]  # fmt: skip


def vary(spec, image, chosen, pick):
    """A variant whose fields are what `pick(name, value, possible values)` takes, one after the other."""
    variant = chosen
    for name in variants.Variant._fields:
        values = possible(name, spec, image, variant, chosen)
        variant = variant._replace(**{name: pick(name, getattr(variant, name), values)})
    return variant


def neighbours(spec, image, chosen):
    """Variants that differ from the chosen one in one field, and in what has to differ then."""
    for field in variants.Variant._fields:
        for wanted in possible(field, spec, image, chosen, chosen):
            if wanted == getattr(chosen, field):
                continue

            def pick(name, value, values, field=field, wanted=wanted):
                return wanted if name == field and wanted in values else value if value in values else values[-1]

            yield vary(spec, image, chosen, pick)


def drawn(spec, image, chosen, rng):
    """Any variant."""
    return vary(spec, image, chosen, lambda name, value, values: values[int(rng.integers(len(values)))])


def forced(spec, image, variant):
    """The layer ready to run one variant on one thread."""
    weights = PackedWeights(spec, image.channels, image.dtype, variant.planes, variant.by_columns, variant.vectors)
    prepared = PreparedLayer(spec, image, weights)
    prepared.use(variant, 1)
    return prepared
