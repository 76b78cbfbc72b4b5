"""How the kernels are compiled.

    LOOP        a loop that Python calls, see threads.py
    PLAIN       a part of a loop; Python itself cannot call it, which saves some compiling
    FAST        for simple sums and products: the compiler may reorder and fuse them

Numba's default is to ask before every division whether the divisor is 0, as Python does, and a
question inside a loop keeps it from being made into vectors: error_model="numpy" divides, and gets
infinity.  FAST allows everything but `nnan` and `ninf`, which would let the compiler assume that
NaN and infinity never come: a NaN must stay visible.  The compiled code runs without Python's lock
(nogil), so that several threads can.

What makes compiling slow: a part that is called with 0, with 1 and with a variable is compiled
three times, because Numba takes a plain number for a type of its own; and a part is compiled again
inside everything that calls it, so few calls should be nested.
"""

LOOP = {"error_model": "numpy", "nogil": True}
PLAIN = {**LOOP, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FAST = {"fastmath": {"contract", "reassoc", "nsz", "arcp", "afn"}}
