"""Experiments: the paper's claims, tried out."""
