"""Options for Numba's compiler.

    LOOP        a loop that Python calls, see threads.py
    PLAIN       a function that only kernels call; skipping its Python wrapper saves compile time
    FAST        for simple sums and products: the compiler may reorder and fuse them

error_model="numpy": a division by 0 gives infinity.  By default Numba tests every divisor and
raises an error, as Python does, and such a test keeps a loop from becoming vector instructions.

nogil: a loop runs without Python's lock, so several threads can run at once.

FAST allows everything but `nnan` and `ninf`, which would let the compiler assume that NaN and
infinity never occur: a NaN must stay visible.

Three habits slow compilation down.  A function that is called with 0, with 1 and with a variable is
compiled three times, because to Numba a literal has a type of its own.  A function is compiled
again inside each of its callers, so calls should not nest deeply.  And where an array is assigned
to a slice, or a row, Numba compiles the message of a possible error, and takes four seconds for it.
"""

LOOP = {"error_model": "numpy", "nogil": True}
PLAIN = {**LOOP, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FAST = {"fastmath": {"contract", "reassoc", "nsz", "arcp", "afn"}}
