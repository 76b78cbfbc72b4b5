# %% [markdown]
# # 7. The chain rule, as a graph
#
# *How does a weight deep inside a network know which way to move?* Below is the smallest network
# that there is, one weight, one bias and a ReLU, and the question is what the weight should do to
# make `L` smaller.
#
# **25 minutes.** You need lessons 2, 4 and 6. Afterwards you can send a gradient back through a
# graph by hand, and check it.

# %%
import numpy as np

from minicnn import net, reference as ops
from minicnn.gradcheck import check_network
from minicnn.step import step


def run(x, w, b):
    """Return every number on the way from x to L."""
    u = x * w
    v = u + b
    y = max(0, v)
    L = (y - 1) ** 2  # y should be 1
    return u, v, y, L


x, w, b = 2.0, -3.0, 10.0
u, v, y, L = run(x, w, b)
print(f"u = {u}, v = {v}, y = {y}, L = {L}")

# %% [markdown]
# ## The graph
#
# Draw what was computed, one box for each operation, and an arrow for each number:
#
# ```
# x =  2 ──▶┐
#          [×]─ u = −6 ─▶┐
# w = −3 ──▶┘           [+]─ v = 4 ─▶[ReLU]─ y = 4 ─▶[(y−1)²]─▶ L = 9
# b = 10 ───────────────▶┘
# ```
#
# Now walk back, from right to left, and write under each number how fast $L$ grows when that number
# grows: its gradient. Under $L$ itself stands 1. At each box multiply by the slope of that box
# alone:
#
# | box | its slope | here |
# |---|---|---|
# | $(y-1)^2$ | $2(y-1)$ | 6 |
# | ReLU | 1 where $v > 0$, else 0 | 1 |
# | + | 1 for each of the two | 1 and 1 |
# | × | for each factor the *other* factor | $x$ and $w$ |
#
# That is the *chain rule*: along a path slopes multiply. **Predict** `dw` and `dx`.

# %%
dL = 1
dy = dL * 2 * (y - 1)
dv = dy * (1 if v > 0 else 0)
du, db = dv, dv  # an addition passes the gradient on to both
dw, dx = du * x, du * w  # a product passes it on times the other factor
print(f"dy = {dy}, dv = {dv}, dw = {dw}, dx = {dx}, db = {db}")

# %% [markdown]
# Do not believe it: measure. Nudge $w$ up and down by a little, $h$, run forward, and divide. This
# is a *finite difference*.

# %%
h = 1e-4
measured = (run(x, w + h, b)[-1] - run(x, w - h, b)[-1]) / (2 * h)
print(f"dw by the chain rule {dw}, measured {measured:.6f}")

# %% [markdown]
# $L$ grows by 12 times what $w$ grows: so $w$ should become smaller. A weight need not know more.
#
# ## When paths meet, they add
#
# If a number is used twice, two arrows leave it, and it gets a gradient along each:
#
# ```
#        ┌─▶[×3]─ a = 6 ─▶┐
# x = 2 ─┤               [×]─▶ L = 18
#        └─▶[+1]─ b = 3 ─▶┘
# ```
#
# The upper path has slopes $b \cdot 3 = 9$, the lower $a \cdot 1 = 6$. **Predict** `dx`, and
# measure it.

# %%
measured = (3 * (2 + h) * (2 + h + 1) - 3 * (2 - h) * (2 - h + 1)) / (2 * h)
print(f"by hand {3 * 3 + 6 * 1}, measured {measured:.6f}")

# %% [markdown]
# Multiply along a path, add where paths meet: the rest of this course uses nothing else.
#
# ## The same with arrays
#
# A fully connected layer is many of these graphs at once: $y_{nk} = \sum_d x_{nd} w_{kd} + b_k$. By
# the two rules,
#
# $$dw_{kd} = \sum_n dy_{nk} x_{nd} \qquad dx_{nd} = \sum_k dy_{nk} w_{kd}$$
#
# and $db_k$ is the sum of all $dy_{nk}$. As matrices: `dy.T @ x` and `dy @ w`. If you forget which
# to transpose, the shapes tell: `dw` has the shape of `w`. Step back through the library's own
# code:

# %%
xs = np.array([[1.0, 2, 3], [0, 1, 0]])  # (N, D): two images
ws = np.array([[2.0, 0, -1], [1, 1, 1]])  # (K, D)
dys = np.array([[1.0, 0], [10, 1]])  # (N, K)
back = step(ops.fc_forward, xs, ws, np.zeros(2)).backward(dys)
dxs, dws, dbs = back.result
back

# %% [markdown]
# One by hand: $dw_{01}$ is $1 \cdot 2 + 10 \cdot 1 = 12$, first image and second.
#
# ## A whole network
#
# A network is a list of layers. `net.forward` goes through it and keeps what each layer needs for
# later; `net.backward` goes through it from the end, and hands each layer the gradient that the one
# after it returned. Afterwards `check_network` nudges some weights of each layer, and compares.

# %%
rng = np.random.default_rng(0)
layers = [
    net.row("fc1", ops, "fc", net.gaussian(rng, (5, 4), std=1, dtype=np.float64)),
    net.row("relu1", ops, "relu"),
    net.row("fc2", ops, "fc", net.gaussian(rng, (3, 5), std=1, dtype=np.float64)),
]
images, labels = rng.standard_normal((6, 4)), np.array([0, 1, 2, 0, 1, 2])
scores, caches = net.forward(layers, images)
loss, loss_cache = ops.softmax_loss_forward(scores, labels)
(dscores,) = ops.softmax_loss_backward(loss_cache)
step(net.backward, layers, caches, dscores)

# %%
report = check_network(layers, images, labels, ops)
print(report)

# %% [markdown]
# Why not learn by nudging alone? It needs two forward passes for each weight, and AlexNet has
# 60,965,224 parameters: at a thousandth of a second, one step would take 1.4 days. The backward
# pass gives all gradients at once, for about twice the work of one forward pass.
#
# ## Change this and predict
#
# 1. Let `b` be 5 in the first cell. What are $y$ and all gradients now, and what can the weight
#    learn?
# 2. Let $y = x \cdot x$. Draw its graph with one box, and find the slope by the two rules.
# 3. Write it yourself: `python -m lessons exercise fc_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. $v = -1$, so $y = 0$, and ReLU's slope is 0: all gradients below it are 0. From this image the
#    weight learns nothing, although $L = 1$.
# 2. Both arrows of the × come from $x$, and each gets the other factor, $x$: together $2x$.
#
# </details>
