"""A script that knows nothing of fastsep: it counts the cells of a micrograph, with scikit-image and SciPy alone.

    python examples/script_as_it_is.py
    fastsep run --report examples/script_as_it_is.py

Both print the same counts. The second is faster, and says at the end which calls were.
"""

import sys
import time

import numpy as np
from scipy import ndimage
from skimage import feature, filters, measure

SIDE, CELLS = 2048, 400

# Cells of different sizes, light that falls off towards the corners, and noise.
rng = np.random.default_rng(0)
y, x = np.mgrid[:64, :64] - 32
cells = np.zeros((SIDE, SIDE))
for row, column, radius in zip(*rng.integers(0, SIDE - 64, (2, CELLS)), rng.uniform(6, 14, CELLS), strict=True):
    cells[row : row + 64, column : column + 64] += np.exp(-((y**2 + x**2) ** 2) / radius**4)
light = np.cos(np.linspace(-1, 1, SIDE))
image = rng.poisson(200 * light * light[:, None] * (0.5 + cells)).astype(np.uint16)

start = time.perf_counter()
clean = ndimage.median_filter(image, 3)
smooth = filters.gaussian(clean, 2, preserve_range=True)
flat = smooth - filters.gaussian(ndimage.minimum_filter(smooth, 95), 40)
mask = flat > filters.threshold_otsu(flat)
labels = measure.label(mask)
peaks = feature.peak_local_max(filters.gaussian(flat, 3), min_distance=6, labels=labels)
outlines = feature.canny(flat, sigma=2, mask=ndimage.binary_dilation(mask, iterations=5))
seconds = time.perf_counter() - start

print(f"{labels.max()} patches with {len(peaks)} cells, {outlines.sum():,} pixels of outlines")
print(f"in {seconds:.2f} s", file=sys.stderr)
