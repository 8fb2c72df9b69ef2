"""Discs that touch each other, told apart by the peaks of the distance to the background."""

import numpy as np
from scipy import ndimage as ndi
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

rng = np.random.default_rng(0)
y, x = np.indices((800, 800))
discs = np.zeros((800, 800), bool)
for row, column, radius in zip(*rng.integers(40, 760, (2, 60)), rng.integers(12, 30, 60), strict=True):
    discs |= (y - row) ** 2 + (x - column) ** 2 < radius**2
distance = ndi.gaussian_filter(ndi.distance_transform_edt(discs), 2)
peaks = peak_local_max(distance, min_distance=7, labels=discs.astype(int))
markers = np.zeros(discs.shape, int)
markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
cells = watershed(-distance, markers, mask=discs)
