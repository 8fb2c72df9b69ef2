"""Microscopy: nuclei in a fluorescence image of 16 bits, counted and measured."""

import numpy as np
from scipy import ndimage as ndi
from skimage import feature, filters, measure, segmentation

rng = np.random.default_rng(0)
y, x = np.mgrid[:33, :33] - 16
cells = np.zeros((2048, 2048))
for row, column in rng.integers(20, 2000, (700, 2)):
    cells[row : row + 33, column : column + 33] += np.exp(-(((y**2 + x**2) / rng.uniform(60, 140)) ** 2))
light = 300 + 200 * np.cos(np.linspace(-1, 1, 2048)) * np.cos(np.linspace(-1, 1, 2048))[:, None]
image = rng.poisson(light * (0.4 + cells)).astype(np.uint16)

smooth = filters.gaussian(image, 2, preserve_range=True)
background = ndi.minimum_filter(ndi.gaussian_filter(image.astype(np.float32), 10), 101)
nuclei = smooth - ndi.gaussian_filter(background, 50)
mask = nuclei > filters.threshold_otsu(nuclei)
peaks = feature.peak_local_max(filters.gaussian(nuclei, 4), min_distance=8, labels=mask.astype(int))
markers = np.zeros(mask.shape, int)
markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
labels = segmentation.watershed(-nuclei, markers, mask=mask)
table = measure.regionprops_table(labels, image, properties=("label", "area", "mean_intensity"))
areas, means = table["area"], table["mean_intensity"]
