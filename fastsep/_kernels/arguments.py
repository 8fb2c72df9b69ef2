"""The words of an argument block, shared by the kernels and by the code that fills them in.

A block is an array of int64: counts, offsets and addresses. Scalars and taps of the arithmetic dtype
are reached through addresses, so that no kernel depends on how a float fits into a word.
"""

from __future__ import annotations

LINE = 64  # bytes of a cache line

#: Rows of differences along y of which the hessian kernel makes a row of second ones.
SLOPES_Y = 3

#: Border rules.
REFLECT, CONSTANT, NEAREST, MIRROR, WRAP = range(5)

#: How terms are combined.
SUM, MAGNITUDE = range(2)
#: What becomes of the results of a term: they, or their squares, are stored, or added to what is there.
STORE, ADD, STORE_SQUARE, ADD_SQUARE = range(4)

# Every kernel.
(
    SRC,  # address of the image
    DST,  # address of the result
    SCRATCH,  # address of the scratch memory of the thread that runs the kernel, on a cache line
    GRAIN,  # rows that the kernel makes together: bands are cut between them
    BANDS,  # number of bands; 0: the work is the rows from FIRST to LAST - 1 of one plane
    FIRST,
    LAST,
    PLANES,  # images in the batch
    DEPTH,  # planes of a volume (1: the image is a plane)
    ROWS,  # rows of a plane
    COLS,  # pixels of a row
    CHANNELS,  # values of a pixel
    SRC_ROW,  # bytes from row to row
    DST_ROW,
    MODE_Z,
    MODE_Y,
    MODE_X,
    CONSTANT_ROW,  # address of a row of `cval` in the source dtype
    LEAD,  # rows needed above an output row
    TRAIL,  # rows needed below it
    # Offsets into scratch.
    SPARE,  # where rows go that nobody wants
    BORDERS,  # which columns stand for those beyond the image
    STRIP,  # columns of the block at work
    RING,  # copies of source rows; 0: read them in place
    RING_ROW,  # bytes from row to row of the ring
    SUMS,  # columns in which terms are combined; deviation: a copy of a row's last results
    SLAB,  # rows filtered along the depth
    SLAB_ROW,
    TABLE,  # bytes of the table of rows of one line along the depth
    # Terms.
    TERMS,  # number of terms
    TERMS_AT,  # address of TERM_WORDS words for each
    COMBINE,
    CLIP,  # address of the two limits; 0: none
    # Volumes.
    LEAD_Z,  # planes needed before an output plane
    TRAIL_Z,  # planes needed behind it
    DEPTH_LINES,  # number of different taps along the depth
    DEPTH_LINES_AT,  # address of LINE_WORDS words for each
    WINDOW,  # rows of the planes that are filtered together
    CHUNK,  # planes that one band filters in a row; dense: columns
    WEIGHTS,  # sweep: address of the taps across rows, or of a gradient's smoothing side and centre; deviation: of sums
    WEIGHTS_X,  # sweep: address of the taps along a row; deviation: of sums of them
    DST_2,  # sweep: addresses of a second result, ...
    DST_3,
    DST_4,
    STREAMED,  # sweep: offset of the staging buffer for non-temporal stores of several results; 0: ordinary stores
    SCALE,  # fir: address of what values are multiplied by before all else, and of 1
    DIVISORS,  # fir: address of rows of divisors and of their inverses, by turns; 0: none
    DIVISOR_ROW,
    DIVISOR,  # address of the one that all but a margin share, and of its inverse; 0: it is 1
    LIMITS,  # suppress: address of the lower and the upper limit of magnitudes
    SRC_2,  # suppress, gradient of a sum, hessian: address of a second source
    SRC_2_ROW,
    SRC_PLANE,  # corner: bytes from one plane of its source to the next
    FACTOR,  # corner: address of the constant in the formula; hessian: of 1/2 and 1; dense: of the sum of all taps;
    # deviation: of zero
    PHASE,  # hysteresis: which step
    LINES,  # number of lines of pixels next to one
    LINES_AT,  # address of a word for each: how many pixels away it lies
    REACH,  # pixels of such a line beside the nearest one that count as neighbours
    FURTHEST,  # distance of the most distant neighbour
    STAGES,  # pipeline: number of stages
    STAGES_AT,  # address of STAGE_WORDS words for each
    BUFFERS,  # number of buffers
    BUFFERS_AT,  # address of BUFFER_WORDS words for each
    STEP,  # rows that the first stage makes at a time
    SIZE_Y,  # box: the window
    SIZE_X,
    BORDER,  # box, deviation: address of the value beyond the left and right border
    AREA,  # box: address of what sums are divided by
    ONES,  # box: address of taps of one
    GROUPS,  # box: offset of sums of groups of rows
    GROUP_COLUMNS,  # box: offset of sums of groups of columns
    RUNS,  # dense: number of stretches of taps
    RUNS_AT,  # address of RUN_WORDS words for each
    LEFT,  # pixels needed left of an output pixel; volume: columns copied left of the image
    RIGHT,  # pixels needed right of it
    OFFSETS,  # number of offsets of the kernel along the axes before the last two
    SLICE_TABLE,  # address of the plane at each offset from each plane; -1: the constant
    EDGE,  # pixels at either end of a row whose sources are copied; 0: all are
    ROW_LINES,  # fir: number of lines along x that are applied before the one along y
    ROW_LINES_AT,  # address of ROW_LINE_WORDS words for each
    MIDDLE_ROW,  # dense: entry of the table of rows in which the pixel lies that all others are compared with
    MIDDLE_SHIFT,  # bytes from the left end of that row
    SLOPES,  # fir: offset of the ring of rows of differences along x
    SLOPES_ROW,  # bytes from row to row of it
    SLOPES_LEAD,  # rows of it needed above an output row
    SLOPES_TRAIL,  # rows needed below it
    INNER_LINE,  # fir: address of a shorter line, if that along x is this one less that of the other term; 0: none
    OTHER_STRIP,  # columns of the other term then
    COLUMNS,  # volume: offset of a list of the columns that stand for those beyond the image
    CONSTANT_ROW_2,  # address of a row of `cval` for the second source, in its dtype
) = range(90)

BLOCK_WORDS = 96

#: Kinds of taps: any; equal under reversal; negated under reversal; with zeros to skip.
GENERAL, SYMMETRIC, ANTISYMMETRIC, SPARSE = range(4)
#: Added to SYMMETRIC and ANTISYMMETRIC where the centre tap is multiplied, not skipped.
CENTRE = 4
#: Added to SYMMETRIC and ANTISYMMETRIC where there is no tap in the middle: those of differences in volumes may be so.
EVEN = 8

# A line of taps: address, count, how many lie before the centre, kind.
TAPS, COUNT, BEFORE, KIND = range(4)
# A term: the line along y, the line along x (from X_LINE), ...
X_LINE = 4
X_OUTSIDE = 8  # address of the value beyond the left and right border
# Which of the lines along the depth; or of those along x that come first, counted from 1; 1 also where rows of
# differences are filtered instead of the image; 0: none.
DEPTH_LINE = 9
# In a volume, ... 1: its rows begin left and end right of the image, where the line along x needs them; how many terms
# before it have the same line along x and left what they made in the strip, for it to be added; 1: the next one does.
SPREAD, JOINED, JOINS = range(10, 13)
TERM_WORDS = 13
# A line along x that comes first: a line, address of the value beyond the left and right border, offset of the ring of
# its results, bytes from row to row there.
R_OUTSIDE, R_RING, R_RING_ROW = range(4, 7)
ROW_LINE_WORDS = 7
# A line along the depth: a line, and the address of the value above and below the plane. Of differences: bytes from a
# pixel to the first one that it takes; planes and bytes from there to the one that it is subtracted from (both 0: none
# is); values of a row; address of a number by which the pixel in the middle of the taps counts besides; 0: it does not.
Y_OUTSIDE, L_START, L_STEP, L_SPAN, L_WIDTH, L_TOTAL = range(4, 10)
LINE_WORDS = 10

# A run of taps: entry of its first row in the table of rows, bytes from the left end of the row, number of taps,
# and their address.
RUN_ROW, RUN_OFFSET, RUN_COUNT, RUN_TAPS = range(4)
RUN_WORDS = 4

#: Values of rows filtered along x before, which are filtered along y together.
PIECE_VALUES = 1024
#: Rows of fewer vectors than this are copied whole by a sweep, ...
SWEEP_SHORT = 8
#: ... into pieces of this many vectors: one before, those of a row, one behind, one loaded ahead.
SWEEP_COPY = SWEEP_SHORT + 3
#: Vectors of each row of a result that are made before they are streamed: of all they fit in the nearest cache.
PIECE = 8

# A stage of a pipeline: address of its kernel and of its argument block; the buffer that it reads, which plane of it,
# and the stage that fills it; a second one (NOWHERE: none); the buffer that it writes and its first plane, or its
# first result; rows that it needs above and below one; rows above and below a band that the stages behind it need.
S_KERNEL, S_BLOCK, S_SOURCE, S_PLANE, S_AFTER, S_SECOND, S_TARGET, S_INTO, S_HALO, S_REACH = range(10)
S_MADE = 10  # in a band's own copy: the row up to which it has made its results
STAGE_WORDS = 11
#: A kernel has at most so many results: DST, DST_2, ...
RESULTS = 4
#: Instead of a buffer: the image or the results; none.
OUTSIDE, NOWHERE = -1, -2
# A buffer: offset in a band's scratch, bytes of a row, bytes of a plane, number of planes.
B_OFFSET, B_ROW, B_PLANE, B_PLANES = range(4)
B_FIRST = 4  # in a band's own copy: the row that it starts with
BUFFER_WORDS = 5

#: What a byte stands for where edges are tracked: 0 for none, ...
WEAK, STRONG = 1, 2
#: Steps of the tracking: within bands, from band to band, bytes to bools.
SEARCH, JOIN, BOOLS = range(3)
#: Room for pixels that were found and not yet visited; more of them are found again by looking for them.
STACK_WORDS = 1 << 14
