"""Coarse and fine structure, by differences of Gaussians."""

from skimage import data
from skimage.filters import difference_of_gaussians, window
from skimage.util import img_as_float

photo = img_as_float(data.immunohistochemistry())
bands = [difference_of_gaussians(photo, low, high, channel_axis=2) for low, high in ((1, 2), (2, 6), (6, 20))]
camera = img_as_float(data.camera())
faded = difference_of_gaussians(camera * window("hann", camera.shape), 1, 12)
