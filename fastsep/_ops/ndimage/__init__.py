"""Filters under the contract of `scipy.ndimage`, by the engine of all others."""
