"""Tools that judge the library: gradients, and the backend for GPUs."""
