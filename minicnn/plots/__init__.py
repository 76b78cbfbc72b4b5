"""Figures: curves, kernels, images and what a network makes of them."""
