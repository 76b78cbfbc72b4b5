"""The same layers for one GPU: kernels in numba.cuda, in files named like those of reference/."""
