"""What decides only about speed: every measured size and limit that planning and the engine use, in one place.

Two kinds stand elsewhere: the constants of the cost model (`_plan/cost_model.py`), which `benchmarks/calibrate.py`
fits, and what is a part of compiled code (`_kernels`). No value here changes a bit of a result, but those of
transforms and PARTING_PAYS.
"""

from __future__ import annotations

import os

_CACHES = "/sys/devices/system/cpu/cpu0/cache"


def cache_size(level: int, usual: int, folder: str | os.PathLike[str] = _CACHES) -> int:
    """Bytes of a core's data cache of a level, as far as they are used: at most `usual`, also where nobody tells.

    All was measured with caches of 32 or 48 KiB and of 1 or 2 MiB, where the smaller ones were enough.
    """
    try:
        for cache in os.listdir(folder):
            if not cache.startswith("index"):
                continue
            kind = _word(folder, cache, "type")
            if kind != "Instruction" and int(_word(folder, cache, "level")) == level:
                size = int(_word(folder, cache, "size").removesuffix("K")) << 10
                return min(size, usual) if size >= usual // 8 else usual
    except (OSError, ValueError):  # another system, or a sandbox that does not tell
        pass
    return usual


def _word(*path: str | os.PathLike[str]) -> str:
    # Without pathlib, which takes a tenth of the time that importing a filter takes.
    with open(os.path.join(*path)) as file:
        return file.read().strip()


L1, L2 = cache_size(1, 32 << 10), cache_size(2, 1 << 20)

# ---- threads and bands

#: Multiply-adds of float32 that each thread is to have: where the helpers are awake, and where they have to be woken.
#: A thread does 30,000 to 80,000 of them a microsecond. Microseconds on one thread and on two, measured on two cores
#: (gaussian, sobel, box, canny, separable layers from 128x128 to 640x640): with a helper awake 8 and 10, 13 and 13,
#: 18 and 15, 44 and 28, 103 and 60; called once in 2 ms, so that it sleeps, 54 and 164, 93 and 210, 131 and 264,
#: 169 and 199, 204 and 185, 318 and 220.
SHARED_WORK = 500_000.0
WOKEN_WORK = 7_500_000.0
#: The work of a call that lasts longer than helpers look for the next one.
OUTLASTING_WORK = 3_000_000.0
#: Bands for each thread, if each band has so many multiply-adds. At its edges a band reads rows again that another one
#: has read: four bands a thread cost 0 to 2 % more than one, eight 2 to 24 % (measured with two threads).
BANDS_A_THREAD = 4
BAND_WORK = 500_000.0
#: What it costs to look at a pixel and to follow some edges, in multiply-adds. (Between two stages of one call helpers
#: may fall asleep: with 4, noise of 1080 x 1920 pixels was searched by one thread, for 5 ms instead of 3.)
PIXEL_WORK = 8.0
#: What it costs to move a value of a depthwise layer through the caches, in multiply-adds. (Measured, microseconds on
#: one thread and on two: 14 x 14 x 672, 5 x 5 with a stride of 2, 47 and 30; 7 x 7 x 1024, 3 x 3, 26 and 25 to 35.)
VALUE_WORK = 5.0
#: What it costs to read a weight of a matrix that does not stay in L2, in multiply-adds. (Measured: 1024 channels of
#: one pixel, 1000 results, calls in a row: 193 us on one thread, 103 on two. By its products alone the work seems done
#: before a helper that was rung is awake: calls on two threads found none, and took 203 us.)
WEIGHT_WORK = 10.0
#: How long a helper looks for the next call before it sleeps, and the caller of one for the end of helpers' bands.
HELPERS_LOOK = 50e-6  # seconds
CALLERS_WAIT = 30e-6  # seconds
#: It waits as long as one of its own bands took, at most so long: a nap takes longer than most bands of layers.
CALLERS_LONG_WAIT = 100e-6  # seconds
#: How long a helper stays for the end of a call, at most: for its caller's last band, or nap. (Layers of 0.24 ms, one
#: after the other: a helper that slept meanwhile was asleep for most calls, since it comes late and makes the caller
#: nap.)
HELPERS_STAY = 400e-6  # seconds
#: Poll interval for unfinished helpers, once the caller sleeps.
NAP = 50e-6  # seconds
#: Short calls in a row that find helpers asleep until one rings: at first, and after it was in vain.
#: (To ring takes 8 us, and a helper comes after 35: measured on a virtual machine, whose idle cores wake slowly.)
RING_SOON, RING_LATER = 1, 16
#: From the beginning of a call to that of the next, if they are in a row.
IN_A_ROW = 1e-3  # seconds
#: With more cores than this the system finds one for a helper by itself, and to choose would take longer.
FEW_CORES = 8

# ---- filters

#: Results from this size on are worth the microsecond that aligning them takes.
ALIGNED_BYTES = 32 << 10
#: From so many values on a kernel looks for infinity and NaN; NumPy's two passes would take 0.1 ms and more.
LOOKED_AT = 1 << 18
#: Results of this size are written with non-temporal stores, which do not read the lines first: several results
#: together, and a single one of a sweep (measured: 4K takes 0.7 to 0.9 of the time; but where taps of a derivative
#: reach two pixels 1.1 to 1.8 times).
STREAM_RESULTS, STREAM_RESULT = 32 << 20, 16 << 20
#: Minima are so cheap that they gain from 4K in bytes on. (Measured, 3 x 3 pixels of 4K bytes, one thread: with
#: ordinary stores 0.6 ms if image and result are in the last-level cache and 1.1 ms if not, so 0.5 ms either way; two
#: of these in a row 1.8 and 1.2 ms. Of half as many pixels two in a row take 0.48 and 0.56 ms.)
STREAM_EXTREMA = 6 << 20
#: From so many bytes on an image whose rows lie apart is read where it is; a smaller one is copied sooner than threads
#: are started from Python (measured: crops of 256 x 256 pixels of float32 take as long or 1.1 to 1.5 times as long, of
#: 1024 x 1024 0.5 to 0.8 times).
APART_BYTES = 1 << 20
#: Up to this many rows are read in place; more are copied into a ring (measured).
ROWS_IN_PLACE = 8
#: Up to this many beside rows of slopes, which fill half of L2 (measured: copying takes 1.06 times as
#: long with 12 rows around, as long with 40 and 0.8 to 0.96 times with 64).
BESIDE_SLOPES = 48
#: Differences between lines along x that are shorter by so many taps on either side are parted (measured).
PARTING_PAYS = 6
#: What a thread holds of a volume of differences: a window of some planes, and a few rows of them filtered along the
#: depth, which stay in L2; larger windows filter fewer rows twice (measured: from 2.5 MiB 4 to 8 %).
WINDOW_OF_VOLUME_BYTES = 4 << 20
#: Of other volumes, rows of a group of planes that are filtered along the depth: so many stay in L2 beside what is read
#: (measured with 2 MiB: half as many or 1.5 times as many take up to 1.1 times as long).
VOLUME_BYTES = L2 // 2
#: More of them where a group would have fewer planes than half of those that its taps reach beside it (measured with 81
#: taps: 0.75 to 0.85 of the time).
FAR_VOLUME_BYTES = 4 << 20
#: Copies of a part of a row of all planes that a group needs, which stay in L1 (measured: half as many, twice or four
#: times as many take up to 1.08 times as long).
COPIES_BYTES = 1 << 15
#: Planes that a group has at least, however many threads there are groups for (measured: 8 to 32 differ by less than
#: the noise on two cores).
GROUP_PLANES = 16
#: Rows of four planes that a sweep of a volume reads, three that it needs and what comes next, stay in L2 (measured:
#: half as many or twice as many take up to 1.1 times as long).
SWEEP_WINDOW = L2 // 2
#: Windows of rows in all planes together, at least: threads share them (measured: with 8 or 128 of them two threads
#: take 1.05 times as long).
SWEEP_UNITS = 32
#: Columns of rows that are sums of rows, which are made together (measured: 128 or 2048 take up to 1.1 times as long).
PIECE_COLUMNS = 512
#: The strip of a piece of a row at every n-th pixel (measured: 12 to 48 KiB differ by 5 %, 96 take 1.15 times as long).
STRIDED_BYTES = 24 << 10
#: With more taps along y than this their rows are copied first (measured: without copies 11 and 17 taps take 0.8 to 0.9
#: times as long, 25 as long, 33 up to 1.1 and 65 up to 1.3 times).
STRIDED_IN_PLACE = 25
#: Planes that share a ring where there are too few windows for all threads.
CHUNK_PLANES = 64
#: Blocks of rows that a window has at least, however many threads there are windows for.
WINDOW_BLOCKS = 3
#: Rows under a dense kernel, in a chunk of columns: they stay in L2.
DENSE_BYTES = L2 * 3 // 8
#: Rows under a dense kernel are read in place up to so many, if they have so many pixels between their ends.
DENSE_ROWS_IN_PLACE = 32
DENSE_EDGES_PAY = 256
#: Blocks of rows of each plane of a volume that are filtered together, at least (measured: 1 to 16 differ by 5 %).
DENSE_WINDOW_BLOCKS = 4
#: Rows under a block of a box are copied up to so many bytes (measured up to 1.25 times L2, where it takes 0.6 of the
#: time).
BOX_RING_BYTES = L2 * 2
#: Rows that a pipeline makes at a time, at least (measured).
STEP_ROWS = 16
#: The same where all stages are sweeps, at least and at most: whole strips of any sweep, as many as stay in L2
#: (measured with 12, 24 and 48 rows, Harris' corners, float32: 4K takes 12.7, 15.2 and 18.0 ms, 960 columns 3.0, 3.0
#: and 2.9 ms).
SWEEP_STEP_ROWS, SWEEP_STEP_BYTES = (12, 48), L2 * 3 // 4
#: Rows that are filtered together where pixels are missing, and where they may be and were not, at least (measured: 8
#: and 32, 32 and 128 take up to 1.1 times as long).
WEIGHED_ROWS, PLAIN_ROWS = 16, 64
#: So many times they are filtered before all rows under the taps are selected anew (measured: with 2 it takes 1.05
#: times as long, with 16 as long).
WEIGHED_STEPS = 6
#: Of a row, the largest part that is filtered by weights beside the plain filter of all of it.
WIDEST_PART = 0.5
#: The same where several sums in float64 are made, which take several times as long as the plain filter.
WIDEST_PART_OF_SUMS = 0.8
#: Derivatives are made of rows that were filtered along x before, which each call makes anew.
PLAIN_ROWS_OF_SUMS = 256
#: What a thread takes for a block of an image with missing pixels that no sweep filters.
WEIGHED_BLOCK = 8 << 20
#: Where no more than this part of the blocks has missing pixels, the plain filter of the whole image comes first.
WEIGHED_TWICE = 0.7
#: Planes of all terms of one strip of a bank: they stay in the last-level cache (measured: 1 to 8 MiB differ little).
PLANES_BYTES = 4 << 20
#: Bytes of a block above which its transforms leave the cache: 15 % more for each doubling (measured). The same on all
#: machines, since the length of a transform shows in the last bits.
FFT_CACHED = 512 << 10
#: What Python takes for a block of transforms, in units of `fft_tiles.work_of` (measured).
FFT_BLOCK_WORK = 3.5e5

#: Rows of values that are compared, all together: they stay in the nearest cache; or in the next one, if rows would be
#: shorter than so many times what is seen right of them (measured: 15 x 15 bytes take half the time then).
RANK_BYTES, RANK_FAR_BYTES, RANK_HALOS = L1 * 3 // 4, L2 * 3 // 4, 32

#: Histograms of columns: they stay in L2.
HISTOGRAM_BYTES = L2 // 2
#: Rectangles of bytes whose network has more operations for a result are ranked by histograms (measured).
HISTOGRAM_PAYS = 500

#: Rows and columns of a tile in which results hardly differ (measured, on photographs and noise).
CUMULATIVE_TILE = 64, 128

# ---- long rows, which are cut into pieces

#: Values of a piece: their scratch stays in L2. Of volumes many rows are kept, and of what
#: lies between the stages of a pipeline; of sweeps one row of results and one of the constant beyond the border.
PIECE_VALUES = {"plane": 8192, "volume": 1024, "pipeline": 2048, "bank": 2048, "sweep": 1 << 18}
#: Above so many values pieces grow with the image, since every piece waits for its slowest thread.
ENOUGH_VALUES = 1 << 23
#: Fewer pieces do not pay, nor narrower ones than so many times their margins.
FEWEST_PIECES = MARGINS = 4
#: Rows of the planes of a bank's terms, at least.
ROWS_OF_A_PLANE = 16
#: Rows that have nothing to do with each other are cut into stretches if there are fewer.
ROWS_APART = 64
#: Stretches of a row that are filtered together, and values of each at least.
STRETCHES, LEAST_STRETCH = 16, 64
#: Values of a stretch: as many as make so many blocks of them, which threads share; within these limits. (Measured with
#: a million values, a Gaussian, a box and others: 512 to 2048 differ by 5 %, 256 take 1.1 to 1.7 times as long.)
BLOCKS_OF_STRETCHES, STRETCH, STRETCH_OF_RANKS = 8, (512, 2048), (8192, 8192)
#: What two calls of kernels instead of one cost, in values (measured).
STRETCH_CALLS = 15_000
#: As many rows as a kernel takes for an image of one row cost, roughly (measured); all others STRETCHES.
ROWS_OF_A_BLOCK = {
    "dense": 8,
    "small_box": 4,
    "extremum": 2,
    **dict.fromkeys(("flat", "rank", "histogram", "cumulative"), 1),
}
#: A row of so many values is cut in any case, since threads share it then; that of a rank needs no more scratch for it.
LONGEST_ROW = 1 << 16
LONGEST_ROW_OF_RANKS = 1 << 18

# ---- layers

#: Left operand of the matrix product of one tile, in bytes and in pixels: it stays in L2, and panels of weights
#: are read seldom (measured: 96 to 448 KiB differ by less than the noise).
FACTORS_BYTES = L2 * 3 // 16
MOST_PIXELS = 4096
#: Target size of the packed part of an image.
PACKED_BYTES = L2 * 5 // 16
#: Target size in L1, used where at least LEAST_NEAR groups of channels fit. (With fewer, too short a piece of each
#: pixel is read.)
NEAR_BYTES = L1
LEAST_NEAR = 3
#: Columns of a result up to which L1 is worth more than streaming (measured: 14 are 20 % faster so or 9 % slower,
#: depending on the channels, and 32 are 1.5 times as slow).
NARROW_TILE = 14
#: Weights and results of a strip of pixels, which stay in L1 together.
STRIP_BYTES = L1 // 2
#: Rows under the kernel, of one block of channels.
WINDOW_BYTES = L1 * 3 // 4
#: Rows of a tile, whatever has to be packed for them.
TILE_ROWS_LEAST = 4
#: Blocks of channels that are packed and filtered together where images are read in place: few columns
#: of so many under a kernel stay in L1 (measured: 7 x 7 pixels of 1024 channels take 60 % longer with
#: all 64 of them).
GROUPS_IN_PLACE = 8
#: Results of a layer from this size on are written with non-temporal stores.
STREAM_LAYER = 8 << 20
#: Rows of a tile of part of the columns: its border is packed again for the next tile.
ROWS_OF_TILE = 8
#: Largest ratio of computed to needed results where no tile spans two rows.
ROWS_IN_VAIN = 1.1
#: Largest share of the matrix's columns that are computed twice to make every panel four vectors wide.
COLUMNS_IN_VAIN = 0.04
#: Largest panel of that width: every tile of pixels reads it again.
PANEL_BYTES = L2 // 8
#: Tiles or channels for each thread up to which each is a band of its own.
FEW_UNITS = 8
#: A map is small if each thread would have fewer pixels than this. Then threads may share channels instead.
LEAST_PIXELS = 32
#: What decides whether threads of a small map share pixels, or first the channels and then the panels. In
#: multiply-adds of a full vector, or bytes, a nanosecond: what a thread computes, reads of weights that are not
#: in its cache, and of factors that another thread has computed; and the nanoseconds of a second launch. (The
#: last two are between those of a processor whose cores are near to each other, and of one whose are not.)
COMPUTED, WEIGHTS_READ, FACTORS_READ, LAUNCH = 6.0, 20.0, 8.0, 5000.0
