"""Galaxies and stars, found in three ways that look at many scales."""

from skimage import color, data, feature

sky = color.rgb2gray(data.hubble_deep_field())[200:760, 120:900]
by_laplacian = feature.blob_log(sky, min_sigma=2, max_sigma=16, num_sigma=8, threshold=0.08)
by_difference = feature.blob_dog(sky, min_sigma=2, max_sigma=24, sigma_ratio=1.4, threshold=0.05)
by_hessian = feature.blob_doh(sky, min_sigma=2, max_sigma=16, num_sigma=8, threshold=0.008)
