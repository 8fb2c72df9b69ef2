"""Microscopy: particles in the frames of a film, located to fractions of a pixel."""

import numpy as np
from scipy import ndimage

rng = np.random.default_rng(0)
starts, steps = rng.uniform(50, 460, (80, 2)), rng.normal(0, 1.5, (30, 80, 2))
film = np.zeros((30, 512, 512), np.float32)
for frame, places in zip(film, starts + steps.cumsum(axis=0), strict=True):
    frame[tuple(places.clip(0, 511).astype(int).T)] = 400
    ndimage.gaussian_filter(frame, 2, output=frame)
    frame += rng.normal(10, 1, frame.shape)

found = []
for frame in film:
    band = ndimage.gaussian_filter(frame, 1) - ndimage.uniform_filter(frame, 11)
    tops = (ndimage.maximum_filter(band, 9) == band) & (band > 3)
    found.append(np.array(ndimage.center_of_mass(frame, ndimage.label(tops)[0], np.arange(1, tops.sum() + 1))))
counts = np.array([len(places) for places in found])
