# %% [markdown]
# # 19. Inside a GPU: warps, sectors and a barrier
#
# *What do a thousand threads do at the same moment?* And how can one copy of the same numbers be
# eight times as much work as another?
#
# **35 minutes.** You need lesson 2. Afterwards you can say what a warp, a sector and a barrier are,
# and see why a kernel is slow, or wrong.

# %%
import numpy as np

from lessons.viewer.launches import launch
from minicnn.cuda.activations import relu_kernel
from minicnn.cuda.gpu import cuda

x, y = np.arange(40, dtype=np.float32) - 20, np.zeros(40, np.float32)
steps = launch(relu_kernel[2, 32], x, y)
for number, block in steps.data["blocks"].items():  # R: runs the line
    print(f"block {number}: {block['steps'][-1]['state'].count('R')} threads write a number")
steps

# %% [markdown]
# That was the library's own ReLU for a GPU, and you need none: numba-cuda compiles a kernel to PTX,
# the assembly language of NVIDIA's GPUs, and minicnn's emulator executes that. Walk through it;
# under each line stands its PTX, folded.
#
# `relu_kernel[2, 32]` starts two *blocks* of 32 threads. There is no loop: every thread asks for
# its number `i` and handles one entry. 32 threads are a *warp*, and a warp runs one line at a time.
# In block 1 only 8 threads have a number left; the other 24 are still there, and skip.
#
# ## Who copies what?
#
# Memory comes in *sectors* of 32 bytes, 8 numbers, whether you want all of them or one. Let 32
# threads copy 256 numbers, 8 each. The obvious way: thread `t` takes the 8 from `8 * t` on, all
# neighbours. **Predict**: how many sectors are read, of the 32 that there are?


# %%
@cuda.jit
def own_piece_kernel(x, y):
    t = cuda.threadIdx.x
    for k in range(8):
        y[8 * t + k] = x[8 * t + k]


x, y = np.arange(256, dtype=np.float32), np.zeros(256, np.float32)
own = launch(own_piece_kernel[1, 32], x, y)
print("copied:", (y == x).all(), " sectors read:", own.count.loaded)
own

# %% [markdown]
# Each line of the loop asks for 32 numbers at once, one from each sector, so all 32 light up, eight
# times: 256, and the copy is *uncoalesced*. (A GPU's caches save some of that, if they are not busy
# with other warps.) What counts is what a warp reads at the same time. So deal the numbers out like
# cards: thread `t` takes `t`, then `32 + t`, and so on. **Predict** the sectors of this copy.


# %%
@cuda.jit
def dealt_kernel(x, y):
    t = cuda.threadIdx.x
    for k in range(8):
        y[32 * k + t] = x[32 * k + t]


x, y = x + 1, np.zeros_like(x)
dealt = launch(dealt_kernel[1, 32], x, y)
print("copied:", (y == x).all(), " sectors read:", dealt.count.loaded)
dealt

# %% [markdown]
# 32, each sector once. That is why the kernels of `minicnn/cuda` give neighbouring threads
# neighbouring numbers.
#
# ## A tile in shared memory
#
# But some work goes against the grain. To transpose a matrix, a warp reads a row and has to write a
# column: 32 rows, 32 sectors. Read columns instead, and the loads are the slow ones.


# %%
@cuda.jit
def against_kernel(x, y):
    row, column = cuda.threadIdx.y, cuda.threadIdx.x
    y[column, row] = x[row, column]


matrix = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
against = launch(against_kernel[1, (32, 32)], matrix, np.zeros_like(matrix))
print("sectors read:", against.count.loaded, " written:", against.count.stored)

# %% [markdown]
# 128 and 1,024. The way out is a detour. A block has up to 48 kilobytes of fast memory that its
# threads *share*. Put the matrix there by rows, and take it out by columns; global memory sees only
# rows. Between the two stands a *barrier*: no thread goes on before all 1,024 have come.
# **Predict** the two numbers.


# %%
@cuda.jit
def tile_kernel(x, y):
    tile = cuda.shared.array((32, 32), np.float32)
    row, column = cuda.threadIdx.y, cuda.threadIdx.x
    tile[row, column] = x[row, column]
    cuda.syncthreads()
    y[row, column] = tile[column, row]


turned = np.zeros_like(matrix)
tiled = launch(tile_kernel[1, (32, 32)], matrix, turned)
print("transposed:", (turned == matrix.T).all())
print("sectors read:", tiled.count.loaded, " written:", tiled.count.stored)
tiled

# %% [markdown]
# 128 and 128. Step to the barrier: the threads stand on its line. Then look at `tile`, drawn with
# its numbers as colours. Shared memory has rules of its own: there are 32 *banks*, the columns of
# the picture, and each serves one word per turn. A warp that reads a column of `tile` asks one bank
# for 32 words, which takes 32 turns. That is a *bank conflict*; its cure is an exercise below. The
# library's products have none, thanks to four unused columns in every tile.
#
# ## Without the barrier
#
# It is one line, and costs time. **Predict**: without it, which is the first thread, counted along
# the rows, to read a number that another thread has written?


# %%
@cuda.jit
def hasty_kernel(x, y):
    tile = cuda.shared.array((32, 32), np.float32)
    row, column = cuda.threadIdx.y, cuda.threadIdx.x
    tile[row, column] = x[row, column]
    y[row, column] = tile[column, row]


hasty = launch(hasty_kernel[1, (32, 32)], matrix, turned)
print(hasty.fault)
hasty

# %% [markdown]
# Thread (0, 0) reads what it has written itself. Thread (1, 0), column 1 of row 0, reads what
# thread (0, 1) wrote, in another warp. If that warp is late, the number is an old one. On a real
# GPU this can go well a thousand times, and then not. The emulator does not wait for that: of every
# word it knows who wrote it since the last barrier, and finds such a *race* in any order.
#
# ## Change this and predict
#
# 1. Launch `relu_kernel[1, 64]` on the 40 numbers. How many threads of each warp do something?
# 2. In `tile_kernel` make the tile 32×33. How many turns does a column take now, and why?
# 3. Put its last two lines under `if row < 16:`. What does the emulator say?
#
# Then mend three kernels: `python -m lessons exercise neighbour_sum_kernel`, then
# `block_sum_kernel`, then `turned_tile_kernel`.
#
# <details>
# <summary>Answers</summary>
#
# 1. All 32 of warp 0, and 8 of warp 1: `i` counts through all threads of the launch.
# 2. One. A row of 33 words begins one bank further than the row above, so the words of a column are
#    in 32 different banks.
# 3. That not all threads of the block come: 512 wait in vain. A real GPU may hang.
#
# </details>
