"""Block-wide reductions: the threads of a block combine their values into one.

    value     this thread's number
    shared    (threads,)   one entry per thread, in the block's shared memory; threads is a power
                           of two

Half of the threads add the values of the other half to their own, then half of these, and so on,
until one thread has the sum: 256 values take 8 iterations.  Before each iteration all threads
synchronize, because each reads what another has written.  The order is fixed, so the same values
give the same sum, bit for bit.

All threads of the block must call a reduction together.  Each gets the result, and may use `shared`
again.
"""

from .gpu import cuda


@cuda.jit(device=True)
def block_sum(value, shared):
    """Return the sum of the values of all threads."""
    t = cuda.threadIdx.x
    shared[t] = value
    cuda.syncthreads()
    half = len(shared) // 2
    while half:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    total = shared[0]
    cuda.syncthreads()  # all threads must have read it before shared is written again
    return total


@cuda.jit(device=True)
def block_max(value, shared):
    """Return the largest of the values of all threads; if one is NaN, some value or NaN."""
    t = cuda.threadIdx.x
    shared[t] = value
    cuda.syncthreads()
    half = len(shared) // 2
    while half:
        if t < half:
            shared[t] = larger(shared[t + half], shared[t])
        cuda.syncthreads()
        half //= 2
    largest = shared[0]
    cuda.syncthreads()
    return largest


@cuda.jit(device=True)
def larger(a, b):
    """Return the larger of two numbers; b if one of them is NaN."""
    return a if a > b else b
