"""Volumes: a tomogram of grains, denoised, its walls and the grains' centres found."""

import numpy as np
from scipy import ndimage as ndi
from skimage import feature, filters

rng = np.random.default_rng(0)
grains = np.zeros((80, 180, 180), np.float32)
grains[tuple(rng.integers(6, side - 6, 400) for side in grains.shape)] = 1
grains = (ndi.gaussian_filter(grains, 4) > 0.0006).astype(np.float32)
scan = (200 * grains + rng.normal(100, 30, grains.shape)).clip(0).astype(np.uint16)

clean = ndi.median_filter(scan, 3)
smooth = filters.gaussian(clean, 2, preserve_range=True)
solid = smooth > filters.threshold_otsu(smooth)
walls = filters.sobel(smooth)
gradient = ndi.gaussian_gradient_magnitude(scan.astype(np.float32), 1.5)
distance = ndi.distance_transform_edt(solid)
centres = feature.peak_local_max(ndi.gaussian_filter(distance, 1), min_distance=5)
