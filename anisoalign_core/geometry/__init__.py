"""Spectra, subspaces, directions and residuals: pure functions of moments and arrays."""
