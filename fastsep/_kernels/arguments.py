"""What kernels of filters are told: a record of words for each family, shared by them and by the code that fills it in.

Layers and banks have theirs in `layers/arguments.py`; what all kernels have in common is here.

A word is an int64: a count, an offset or an address. Scalars and taps of the arithmetic dtype are reached through
addresses, so that no kernel depends on how a float fits into a word. Strides and offsets are in bytes; an offset is one
into a thread's scratch unless something else is said.
"""

from __future__ import annotations

from fastsep._kernels.record import Record

LINE = 64  # bytes of a cache line

#: Rows of differences along y of which the hessian kernel makes a row of second ones.
SLOPES_Y = 3

#: Border rules.
REFLECT, CONSTANT, NEAREST, MIRROR, WRAP = range(5)

#: How terms are combined.
SUM, MAGNITUDE = range(2)
#: What becomes of the results of a term: they, or their squares, are stored, or added to what is there.
STORE, ADD, STORE_SQUARE, ADD_SQUARE = range(4)

#: Kinds of taps: any; equal under reversal; negated under reversal; with zeros to skip.
GENERAL, SYMMETRIC, ANTISYMMETRIC, SPARSE = range(4)
#: Added to SYMMETRIC and ANTISYMMETRIC where the centre tap is multiplied, not skipped.
CENTRE = 4
#: Added to SYMMETRIC and ANTISYMMETRIC where there is no tap in the middle: those of differences in volumes may be so.
EVEN = 8
#: Added where sums become integers before the next axis reads them; and where they are divided before.
CAST, DIVIDED = 16, 32

#: Values of rows filtered along x before, which are filtered along y together.
PIECE_VALUES = 1024
#: Rows of fewer vectors than this are copied whole by a sweep, ...
SWEEP_SHORT = 8
#: ... into pieces of this many vectors: one before, those of a row, one behind, one loaded ahead.
SWEEP_COPY = SWEEP_SHORT + 3
#: Vectors of each row of a result that are made before they are streamed: of all they fit in the nearest cache.
PIECE = 8

#: Bytes of a group of values that a box adds up: those of the widest vector, and so many on every CPU, because the
#: groups decide how sums are rounded.
BOX_GROUP = 64
#: Rows of results that a small box makes together.
BOX_ROWS = 4

#: Rows whose sources are listed together.
ROWS_LISTED = 64

#: A kernel has at most so many results.
RESULTS = 4
#: Instead of the number of a buffer: the image or the results; none.
OUTSIDE, NOWHERE = -1, -2

#: What a byte stands for where edges are tracked: 0 for none, ...
WEAK, STRONG = 1, 2
#: Steps of the tracking: within bands, from band to band, bytes to bools.
SEARCH, JOIN, BOOLS = range(3)
#: Room for pixels that were found and not yet visited; more of them are found again by looking for them.
STACK_WORDS = 1 << 14


#: Room for the arguments of any kernel, in words: whole cache lines.
BLOCK_WORDS = 64


class Common(Record):
    """What all kernels have in common: every argument block begins with these."""

    src: int  # address of the image
    scratch: int  # address of the scratch memory of the thread that runs the kernel, on a cache line
    grain: int  # rows that the kernel makes together: bands are cut between them
    bands: int  # number of bands; filters: 0: the work is the rows from `first` to `last` - 1 of one plane
    dst: int  # address of the result

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        assert cls.length <= BLOCK_WORDS, f"{cls.__name__} has more words than a block"


class Head(Common):
    """What all families of filters have in common. Some kernels need no more."""

    dst_2: int  # addresses of further results
    dst_3: int
    dst_4: int
    first: int
    last: int
    planes: int  # images in the batch
    depth: int  # planes of a volume (1: the image is a plane)
    rows: int  # rows of a plane
    cols: int  # pixels of a row
    channels: int  # values of a pixel
    src_row: int  # bytes from row to row
    dst_row: int
    mode_z: int  # the border rule along each axis
    mode_y: int
    mode_x: int
    constant_row: int  # address of a row of `cval` in the source dtype
    spare: int  # offset of room for rows that nobody wants, and for those of an image narrower than a vector
    src_2: int  # address of a second source
    src_2_row: int
    src_plane: int  # bytes from one plane of a source of several to the next
    streamed: int  # 0: ordinary stores, 1: non-temporal ones; else offset of room for results on their way to these
    joined: int  # 1: rows go on beyond both ends, so far that no border is needed: they are stretches of one long row


class Line(Record):
    """A line of taps."""

    taps: int  # address
    count: int
    before: int  # how many lie before the centre
    kind: int  # see above


class Term(Record):
    """A rank-1 kernel: two lines, and one along the depth elsewhere."""

    y: Line
    x: Line
    beyond_x: int  # address of the value beyond the left and right border
    # Volumes: which of the lines along the depth. Planes: which of the lines along x that come first, counted from 1,
    # or 1 where rows of slopes are filtered instead of the image; 0: none.
    of_line: int
    again: int  # 1: its line along y is that of the term before, which has left it in the strip
    # Volumes of differences ...
    spread: int  # 1: its rows begin left and end right of the image, where the line along x needs them
    joined: int  # how many terms before it have the same line along x and left what they made in the strip, to be added
    joins: int  # 1: the next one does


class RowLine(Record):
    """A line along x that comes first."""

    line: Line
    beyond_x: int  # address of the value beyond the left and right border
    ring: int  # offset of the ring of its results
    ring_row: int  # bytes from row to row there


class DepthLine(Record):
    """A line along the depth of a volume."""

    line: Line
    beyond_y: int  # address of the value above and below the plane
    # Of differences ...
    start: int  # bytes from a pixel to the first one that it takes
    step: int  # planes from there to the pixel that is subtracted from it, ...
    span: int  # ... and bytes; both 0: none is
    width: int  # values of a row
    total: int  # address of a number by which the pixel in the middle of the taps counts besides; 0: it does not


class Fir(Head):
    """Separable filters, sums of terms: what those of planes and volumes have in common."""

    lead: int  # rows needed above an output row
    trail: int  # rows needed below it
    terms: int  # address of `Term`s
    term_count: int
    combine: int  # SUM or MAGNITUDE
    clip: int  # address of the two limits of results; 0: none
    table_bytes: int  # of the table of rows of one line
    borders: int  # offset of the list of columns that stand for those beyond the image
    strip: int  # offset of the columns of the block at work
    sums: int  # offset of the columns in which terms are combined
    ring: int  # offset of copies of source rows; planes: 0: they are read in place
    ring_row: int  # bytes from row to row of the ring


class Plane(Fir):
    scale: int  # address of what values are multiplied by before all else, and of 1
    # Results that are divided by numbers of their own.
    divisors: int  # address of rows of divisors and of their inverses, by turns; 0: none
    divisor_row: int
    divisor: int  # address of the one that all but a margin share, and of its inverse; 0: it is 1
    margin_x: int  # columns of the margin at either side; it has `lead` rows above and below
    # Lines along x that come first.
    row_lines: int  # address of `RowLine`s
    row_line_count: int
    # Differences along x, taken before all else.
    slopes: int  # offset of the ring of rows of them
    slopes_row: int  # bytes from row to row of it
    slopes_lead: int  # rows of it needed above an output row
    slopes_trail: int  # rows needed below it
    inner_line: int  # address of a shorter `Line`, if that along x is this one less that of the other term; 0: none
    other_strip: int  # offset of the columns of the other term then


class Volume(Fir):
    lead_z: int  # planes needed before an output plane
    trail_z: int  # planes needed behind it
    depth_lines: int  # address of `DepthLine`s
    depth_line_count: int
    window: int  # rows of the planes that are filtered together
    group: int  # planes that are filtered together
    listed: int  # offset of the list of planes that these are made from
    piece: int  # values of their rows that are filtered along the depth together
    slab: int  # offset of rows filtered along the depth
    slab_row: int
    # Of differences ...
    chunk: int  # planes that one band filters in a row
    left: int  # columns that are copied left of the image ...
    right: int  # ... and right of it
    beyond: int  # offset of the list of values that stand for them


class Sweep(Head):
    taps_y: int  # address of the taps across rows, or of a gradient's smoothing side and centre
    taps_x: int  # address of the taps along a row
    copies: int  # offset of copies of the start and the end of rows
    factor: int  # address of the constant in the formula of a corner
    # Rows of a ring: of the source those from row `src_turn` on lie `src_ring` bytes before where they would, ...
    src_turn: int
    src_ring: int
    dst_turn: int  # ... and of the results those from here on
    dst_ring: int


class SweepVolume(Head):
    taps: int  # address of a smoothing's middle tap, the others being 1, and of what results are multiplied by
    window: int  # rows of the planes that are filtered one after the other: a multiple of the rows made together
    copies: int  # offset of copies of the start and the end of rows
    copy: int  # bytes of one


class Part(Record):
    """Vectors of a row that a sweep makes in one go."""

    table: int  # of the rows that they are made from: 0: the image, 1: copies of the start of rows, 2: of their end
    start: int  # the value there with which they begin
    column: int  # the value of the result with which they begin
    vectors: int


#: A row has at most so many of them.
PARTS = 4


class GradientOfSum(Head):
    """The source is what smoothing changes, the second one the image."""

    taps: int  # address of the smoothing side and centre
    constant_row_2: int  # address of a row of `cval` in the image's dtype
    copies: int  # offset of copies of the start and the end of rows of the source
    copies_2: int  # and of the image


class Deviation(Head):
    reach_y: int  # rows that taps reach above and below one
    reach_x: int  # columns that they reach left and right of one
    sums_y: int  # address of the sums of taps from each on outwards
    sums_x: int
    beyond_x: int  # address of the value beyond the left and right border
    zero: int  # address of zero
    strip: int  # offset of the columns of the block at work
    kept: int  # offset of a copy of the last results of rows
    ring: int  # offset of copies of source rows; 0: they are read in place
    ring_row: int


class Polyphase(Head):
    source_rows: int  # of a plane of the source; `rows` are those of the result
    taps: int  # address of those of each phase, one behind the other
    count: int  # of each phase
    phases: int
    step: int  # rows of the source from one round of phases to the next
    start: int  # the row of the source under the first tap of row 0
    piece: int  # columns that are made together
    targets: int  # offset of the table of results


class Strided(Head):
    source_rows: int  # of a plane of the source; `rows` and `cols` are those of the result
    source_cols: int
    stride_y: int  # rows of the source from one of the result to the next
    stride_x: int
    y: Line
    x: Line
    beyond_x: int  # address of the value beyond the left and right border
    apart: int  # entries of the table of source rows from one row of the result to the next
    copies: int  # offset of copies of source rows; 0: they are read in place
    copy_row: int  # bytes from row to row there
    copied: int  # offset of the table of copies
    targets: int  # offset of the table of results
    piece: int  # columns of the result that are made together
    span: int  # columns of the source that these need
    tile: int  # offset of columns near an end of a row, from which those beyond it are taken
    strip: int  # offset of the columns of the piece at work


class Box(Head):
    size_y: int  # the window
    size_x: int
    lead: int  # its rows above a pixel
    left: int  # its columns left of it
    beyond_x: int  # address of the sum of a column beyond the left and right border; where sums are cast, of its mean
    area: int  # address of what sums are divided by; where they are cast, of the width and the height
    ones: int  # address of taps of one
    strip: int  # offset of the columns of the block at work, as many rows in a strip as a vector has lanes
    strip_bytes: int  # from strip to strip
    ring: int  # offset of copies of source rows; 0: they are read in place
    ring_row: int
    groups: int  # offset of sums of groups of rows
    group_columns: int  # offset of sums of groups of columns


class SmallBox(Head):
    size_y: int  # the window
    size_x: int
    lead: int  # rows of it above the pixel ...
    left: int  # ... and columns left of it
    divide_y: int  # address of how sums down columns are divided (see `_plan.division`); 0: they are not
    divide_x: int  # the same for sums along rows of them
    beyond_x: int  # address of the sum of a column beyond the left and right border
    kept: int  # offset of the sums down columns of the last row, vector by vector
    sums: int  # offset of rows of sums down columns, where the first column is
    sums_row: int  # bytes from row to row there
    ring: int  # offset of copies of the rows of an image narrower than a vector
    ring_row: int


class Window(Head):
    """What minima and maxima have in common. Between the steps rows are kept as keys, with the border around them."""

    size_x: int  # of the window
    centre_x: int  # columns of it left of a pixel
    beyond_x: int  # address of a vector of the value left and right of the image; 0: one that never counts
    constant_key: int  # offset of its key
    borders: int  # offset of the list of columns that stand for those beyond the image
    kept: int  # offset of the rows
    kept_row: int  # bytes from row to row of them
    margin: int  # bytes from the beginning of such a row to the first pixel of the image
    work: int  # offset of a row on its way


class Extremum(Window):
    size_y: int
    centre_y: int  # rows of the window above a pixel
    groups: int  # groups of rows that lie under all windows of a block
    first_y: int  # rows of the first window before them and the block's own group
    doublings: int  # how often windows along a row are doubled in registers
    ring: int  # offset of copies of source rows; 0: they are read in place
    ring_row: int
    ring_of_groups: int  # offset of what is best in groups
    prefix: int  # offset of what is best in several
    group_row: int  # bytes from group to group


class Look(Record):
    """A run of pixels, in a row of a footprint, of which what is best has been found."""

    offset: int  # number of the footprint's plane
    row: int
    place: int  # bytes from the beginning of what is kept of a source row


class Flat(Window):
    """Footprints. Of a source row are kept its keys, then what is best in runs of 2, 4 and so on of its pixels."""

    lead: int  # rows needed above an output row
    taken: int  # rows of the footprint
    offsets: int  # number of offsets of the footprint along the axes before the last two
    slices: int  # address of the plane at each offset from each plane; -1: the constant
    looks: int  # address of `Look`s
    look_count: int
    levels: int  # lengths of runs
    level_row: int  # bytes from one to the next


class Run(Record):
    """Taps in one column of a dense kernel without a zero."""

    row: int  # entry of the first one's row in the table of rows
    offset: int  # bytes from the left end of that row
    count: int
    taps: int  # address


class Dense(Head):
    lead: int  # rows needed above an output row, ...
    trail: int  # ... below it, ...
    left: int  # ... pixels left of an output pixel ...
    right: int  # ... and right of it
    runs: int  # address of `Run`s
    run_count: int
    offsets: int  # number of offsets of the kernel along the axes before the last two
    slices: int  # address of the plane at each offset from each plane; -1: the constant
    window: int  # rows of each plane that are filtered before those of the next one
    in_a_row: int  # 1: rows that lie one behind the other are fetched line after line, not a line of each
    chunk: int  # columns that are filtered together
    edge: int  # pixels at either end of a row whose sources are copied; 0: all are
    borders: int  # offset of the list of columns that stand for those beyond the image
    ring: int  # offset of copies of source rows
    ring_row: int
    # Of differences.
    middle_row: int  # entry of the table of rows in which the pixel lies that all others are compared with
    middle_shift: int  # bytes from the left end of that row
    total: int  # address of the sum of all taps


class Comparison(Record):
    """Of two rows of values the smaller and the larger of each pair of pixels; offsets from the first row."""

    low: int  # where the smaller ones go; -1: nowhere
    high: int
    first: int
    second: int


class Rank(Head):
    lead: int  # rows needed above an output row
    left: int  # pixels needed left of an output pixel ...
    right: int  # ... and right of it
    height: int  # rows of a tile
    taken: int  # rows under it in each plane
    offsets: int  # number of offsets of the window along the axes before the last two
    slices: int  # address of the plane at each offset from each plane; -1: the constant
    chunk: int  # columns that are filtered together
    left_strip: int  # columns of the first strip, which reads left of the image; 0: all strips are copied
    right_strip: int  # columns of the last strip
    borders: int  # offset of the list of columns that stand for those beyond the image
    leaves: int  # offset of a table of the rows under a tile, and of one of those of a strip of it
    targets: int  # offset of a table of where results go
    values: int  # offset of rows of values; the first ones are those under the tile
    value_row: int  # bytes from row to row there
    comparisons: int  # address of `Comparison`s
    comparison_count: int
    results: int  # address of the offset of each result among the values


class Recent(Record):
    """The histogram of the lower bits in a window, for one value of the upper bits."""

    counts_1: int  # four counts in each word
    counts_2: int
    counts_3: int
    counts_4: int
    window: int  # number of the window
    unused_1: int  # records begin where vectors may
    unused_2: int
    unused_3: int


class Histogram(Head):
    size_y: int  # the window
    size_x: int
    rank: int
    lead: int  # rows needed above an output row
    left: int  # pixels needed left of an output pixel ...
    right: int  # ... and right of it
    chunk: int  # columns that are filtered together
    borders: int  # offset of the list of columns that stand for those beyond the image
    copies: int  # offset of copies of two rows
    copy_row: int  # bytes of each
    coarse: int  # offset of a histogram of the upper bits for each column
    fine: int  # offset of those of the lower bits, for each value of the upper bits
    recent: int  # offset of `Recent`s
    sums: int  # offset of room for a histogram, behind a zero
    ones: int  # address of the histograms of the bytes 0 to 15 alone


class Cumulative(Head):
    size_y: int  # the window
    size_x: int
    rank: int
    lead: int  # rows needed above an output row
    left: int  # pixels needed left of an output pixel ...
    right: int  # ... and right of it
    chunk: int  # columns of a tile
    height: int  # rows of a tile, at most
    borders: int  # offset of the list of columns that stand for those beyond the image
    copies: int  # offset of copies of the rows under a tile
    copy_row: int  # bytes from row to row there
    histograms: int  # offset of a vector for each column
    found: int  # offset of two tables of two words for each row of a tile
    steps: int  # address of the step of zero where values start from zero


class Corner(Head):
    """The source has three planes."""

    factor: int  # address of the constant in the formula


class Hessian(Head):
    factors: int  # address of 1/2 and 1
    spare_row: int  # bytes from row to row of the spare ones, SLOPES_Y + 2 rows of differences


class Suppress(Head):
    limits: int  # address of the lower and the upper limit of magnitudes


class Threshold(Head):
    limits: int  # address of the lower and the upper threshold


class Within(Head):
    """Each band leaves its answer in a word of scratch of its own."""

    count: int  # values
    limit: int  # address


class Hysteresis(Head):
    """The result are the bytes at work, `dst_row` of them a row."""

    step: int  # SEARCH, JOIN or BOOLS
    searched: int  # JOIN: number of bands in which there was a search
    lines: int  # address of a word for each line of pixels next to one: how many pixels away it lies
    line_count: int
    reach: int  # pixels of such a line beside the nearest one that count as neighbours
    furthest: int  # distance of the most distant neighbour


class Stage(Record):
    """A stage of a pipeline."""

    kernel: int  # address
    arguments: int  # address of its kernel's arguments
    source: int  # number of the buffer that it reads; OUTSIDE: the image
    source_plane: int
    after: int  # number of the stage that fills it
    second: int  # number of another one that it reads; NOWHERE: none
    target: int  # number of the buffer that it writes; OUTSIDE: the results
    first: int  # the first plane of it, or the first result
    halo: int  # rows of its source that it needs above and below one
    second_halo: int  # the same of the other buffer
    reach: int  # rows above and below a band that the stages behind it need
    made: int  # in a band's own copy: the row up to which it has made its results


class Buffer(Record):
    """Rows between stages of a pipeline."""

    offset: int
    row: int  # bytes of a row
    plane: int  # bytes of a plane
    planes: int  # number of planes
    ring: int  # rows of a plane, if the one behind the last of them goes to the start again; 0: rows are moved there
    first: int  # in a band's own copy: the row that it starts with


class Pipeline(Head):
    stages: int  # address of `Stage`s
    stage_count: int
    buffers: int  # address of `Buffer`s
    buffer_count: int
    step: int  # rows that the first stage makes at a time
    stage_scratch: int  # offset of the scratch of the stages' kernels, one of which runs at a time


class Pass(Record):
    """A kernel that another one calls for some rows."""

    kernel: int  # address
    arguments: int  # address of them
    height: int  # rows that it counts as one


class Held(Record):
    """What a band has at the moment."""

    first: int  # rows and columns of selected pixels and their weights
    stop: int
    left: int
    right: int
    seen_from: int  # rows that it has looked at
    seen: int
    done: int  # plain results are there up to this row


class Missing(Head):
    """The second source are weights that are given; the second result tells where there is none."""

    passes: int  # address of three `Pass`es: the plain filter, that of selected pixels, that of their weights
    blocks: int  # offset of their arguments
    pass_scratch: int  # offset of their scratch
    buffers: int  # offset of a `Held`
    extents: int  # offset of two words for each of some rows: where pixels are missing in them
    extent_rows: int
    block: int  # rows that are not parted
    step: int  # rows that are filtered together where pixels are missing ...
    run: int  # ... and where none was
    halo: int  # rows that taps reach above or below one
    reach: int  # columns that they reach left or right of one
    widest: int  # columns that are filtered by weights beside those by the plain filter, at most
    over: int  # 1: the plain filter makes all rows
    spoilt: int  # rows next to each other of a plain result that a missing pixel makes NaN; 0: they do not tell
    always: int  # 1: pixels are missing beside each row
    open_rows: int  # 1: they are above and below the image
    held: int  # rows of selected pixels and weights
    pixels: int  # offsets of rows of them, of sums of pixels and of totals of weights, each with bytes from row to row
    pixels_row: int
    weights: int
    weights_row: int
    sums: int
    sums_row: int
    totals: int
    totals_row: int
    nodata: int  # address of the value that stands for missing pixels
    one: int  # address of the weight of others
    numbers: int  # address of what results are made with: see `normalize` and `combine` in `simd/missing.py`
    weight_lines: int  # rows of weights: planes that share them come one after the other
    weight_channels: int  # of weights: those of the image, or 1
    results: int  # how many there are
    # Several sums ...
    sum_count: int
    sums_plane: int  # bytes from the rows of one to those of the next
    totals_plane: int
    targets: int  # offset of the addresses of results


#: Numbers of the words that every call sets anew. Result k is at number DST + k.
SRC, SCRATCH, BANDS, DST, SRC_2 = (Head.fields[name].number for name in ("src", "scratch", "bands", "dst", "src_2"))
