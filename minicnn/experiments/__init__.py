"""Experiments that test the paper's claims."""
