"""Outlines of a retina's vessels: the strongest edges, and those of the next tenth that are connected with them."""

import numpy as np
from skimage import color, data, filters

retina = color.rgb2gray(data.retina())
strength = filters.farid(filters.gaussian(retina, 1.5))
low, high = np.quantile(strength, (0.9, 0.97))
outlines = filters.apply_hysteresis_threshold(strength, low, high)
