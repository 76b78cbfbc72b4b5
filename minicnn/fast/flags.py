"""What the compiler may do to the arithmetic of the simple loops.

Everything that reorders or fuses sums and products, so that it can use vectors; but not `nnan` or
`ninf`, which would let it assume that NaN and infinity never come: a NaN must stay visible.
"""

FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}
