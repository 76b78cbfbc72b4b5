"""Weights from other libraries and for them, and the formats of their files."""
