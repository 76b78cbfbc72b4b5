"""How the kernels are compiled.

    LOOP        a loop that Python calls, see threads.py
    PLAIN       a part of a loop; Python itself cannot call it, which saves some compiling
    FAST        for simple sums and products: the compiler may reorder and fuse them

Numba's default is to ask before every division whether the divisor is 0, as Python does, and a
question inside a loop keeps it from being made into vectors: error_model="numpy" divides, and gets
infinity.  FAST allows everything but `nnan` and `ninf`, which would let the compiler assume that
NaN and infinity never come: a NaN must stay visible.  The compiled code is kept on disk (cache).
"""

LOOP = {"error_model": "numpy", "cache": True, "nogil": True}
PLAIN = {**LOOP, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FAST = {"fastmath": {"contract", "reassoc", "nsz", "arcp", "afn"}}
