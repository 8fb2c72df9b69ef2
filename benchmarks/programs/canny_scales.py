"""Edges of noisy discs of many sizes, from fine to coarse."""

import numpy as np
from skimage import feature, filters

rng = np.random.default_rng(0)
y, x = np.indices((900, 900))
drawing = np.zeros((900, 900))
for row, column, radius in zip(*rng.integers(0, 900, (2, 40)), rng.integers(8, 90, 40), strict=True):
    drawing[(y - row) ** 2 + (x - column) ** 2 < radius**2] = rng.random()
noisy = filters.gaussian(drawing, 2) + rng.normal(0, 0.1, drawing.shape)
edges = [feature.canny(noisy, sigma=sigma) for sigma in (1, 2, 3, 5, 8)]
