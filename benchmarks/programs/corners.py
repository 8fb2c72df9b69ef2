"""Corners of a chessboard that is turned and sheared, and where exactly they are."""

import numpy as np
from skimage import data, transform
from skimage.feature import corner_harris, corner_peaks, corner_shi_tomasi, corner_subpix

view = transform.AffineTransform(scale=(3, 2.5), rotation=-0.25, shear=0.15, translation=(40, 260))
board = transform.warp(data.checkerboard(), view.inverse, output_shape=(860, 1000), cval=0.5)
harris = corner_harris(board, sigma=2.5)
corners = corner_peaks(harris, min_distance=8, threshold_rel=0.05)
places = np.nan_to_num(corner_subpix(board, corners, window_size=15))
tracked = corner_peaks(corner_shi_tomasi(board, sigma=1.5), min_distance=12, threshold_rel=0.2)
