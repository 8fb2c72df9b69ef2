"""Coins, separated from their background by flooding the gradient from what is surely dark or bright."""

import numpy as np
from scipy import ndimage as ndi
from skimage import data, filters, segmentation

picture = data.coins()
dark, bright = np.quantile(picture, (0.25, 0.9))
seeds = (picture < dark).astype(int) + 2 * (picture > bright)
regions = segmentation.watershed(filters.scharr(filters.gaussian(picture, 1)), seeds)
discs, count = ndi.label(ndi.binary_opening(regions == 2, iterations=3))
sizes = ndi.sum_labels(np.ones_like(discs), discs, np.arange(1, count + 1))
