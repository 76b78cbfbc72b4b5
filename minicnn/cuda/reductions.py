"""What the threads of a block do together: of the numbers that they have, they make one.

    value     the number of this thread
    shared    (threads,)   a place for each thread, in the block's shared memory; so many as a
                           power of two

Half of the threads add what the other half has to what they have themselves, then half of these,
and so on, until one has it all: of 256 numbers after 8 turns.  Before each turn all threads wait,
because what one reads another one has written.  The order is always the same, so the same numbers
give the same sum, bit for bit.

All threads of the block must come here together; each gets the result, and may use `shared` again.
"""

from .gpu import cuda


@cuda.jit(device=True)
def sum_of_block(value, shared):
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
    cuda.syncthreads()  # all have read it before shared is written again
    return total


@cuda.jit(device=True)
def largest_of_block(value, shared):
    """Return the largest of the values of all threads; where one is NaN, one of them, or NaN."""
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
