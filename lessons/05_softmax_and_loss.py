# %% [markdown]
# # 5. Softmax and the loss
#
# *How wrong is an answer, as a number?* "Wrong" is not enough: a network that gives the right class
# 49% and another that gives it 1% are both wrong, but not equally. Here is what each would pay.
#
# **15 minutes.** You need lessons 2 and 4. Afterwards you can turn scores into probabilities and a
# loss, say why it is −ln p, and write down its gradient.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import reference as ops
from minicnn.step import step

probabilities = np.linspace(0.005, 1, 200)
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(probabilities, -np.log(probabilities))
axes.set(xlabel="probability p of the right class", ylabel="loss −ln p, nats")
for p in (0.01, 0.1, 0.49, 1):
    axes.plot(p, -np.log(p), "o", color="black")
    print(f"p = {p:4}: loss {abs(np.log(p)):.2f}")
figure

# %% [markdown]
# ## By hand: from scores to probabilities
#
# A network ends in one score for each class; any number may be a score. *Softmax* turns them into
# probabilities, which are positive and add up to 1: $p_c = e^{s_c} / \sum_k e^{s_k}$. The *loss* is
# −ln p of the right class, in *nats*, the unit of a natural logarithm. (It is also called the
# *cross-entropy*.) For the scores 2, 1 and 0 you need $e^2 = 7.39$, $e = 2.72$ and $e^0 = 1$.
# **Predict** the first probability.

# %%
scores, labels = np.array([[2.0, 1, 0]]), np.array([0])
loss_steps = step(ops.softmax_loss_forward, scores, labels)
loss, cache = loss_steps.result
p = ops.softmax(scores)[0]
print(p.round(3), round(loss, 3))
loss_steps

# %% [markdown]
# 7.39 / (7.39 + 2.72 + 1) = 0.665, and −ln 0.665 = 0.408 nats. A network that knows nothing gives
# all classes the same probability: that costs ln 10 = 2.303 nats with ten classes, ln 1000 = 6.908
# with AlexNet's thousand. A fresh network should start there. The step that subtracts the largest
# score changes no probability, and keeps $e^{1000}$ from overflowing.
#
# ## Why −ln p?
#
# Ask for the probability that a network gives to *all* labels of a training set together: it is the
# product of the p of each image. That is what one would like to be large. But a product of many
# small numbers is too small for a computer. **Predict** what 50 probabilities of 0.1 make in
# float32, and what the sum of their −ln p is.

# %%
fifty = np.full(50, 0.1, np.float32)
product, total = fifty.prod(), -np.log(fifty).sum()
print(f"product {product}, sum of -ln p {total:.1f} nats, mean {total / 50:.3f}")

# %% [markdown]
# The product is 0, although no probability is; the sum is 115.1. Since the logarithm turns the
# product into a sum, the largest product is the smallest sum of −ln p; and with a mean instead of
# the sum the number does not depend on how many images there are. So the loss of a *batch*, the
# images that go through the network together, is the mean of −ln p.
#
# It also judges well. Being 49% sure of the right class costs 0.71 nats, 1% costs 4.61, and 0%
# would cost infinitely much: a network may be in doubt, but never wrong and certain.
#
# ## The gradient
#
# The gradient with respect to the scores is as simple as a gradient can be: $p$ minus 1 for the
# right class, $p$ for the others. By how much is each class overestimated? **Predict** the three
# numbers; they add up to 0.

# %%
(dscores,) = ops.softmax_loss_backward(cache)
print(dscores[0].round(3))
loss_steps.touch("scores", (0, 0))

# %% [markdown]
# The second output checks one of them: it nudges the score a little up and down, and measures how
# the loss changes. Lessons 7 and 8 are about that.
#
# Why so simple? The logarithm of the loss and the exponential of softmax cancel, which is the other
# reason why these two are used together. A network that is certain and wrong, with p near 0, gets a
# gradient of nearly −1, and not one that has vanished on the flat part of a curve.
#
# ## Something learns
#
# We can let something learn already: not a network, only three scores. The gradient says in which
# direction the loss grows; go the other way, by a tenth of it, again and again. The right class is
# now the last, which has the worst score. **Predict** how its probability moves: at once, or in a
# curve?

# %%
s, right, path = scores.copy(), np.array([2]), []
for _ in range(101):
    loss_now, cache = ops.softmax_loss_forward(s, right)
    path.append(np.exp(-loss_now))
    (ds,) = ops.softmax_loss_backward(cache)
    s = s - 0.1 * ds
print(*[f"step {i}: {path[i]:.2f}  " for i in (0, 10, 50, 100)])
figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
axes.plot(path)
axes.set(xlabel="steps", ylabel="p of the right class", ylim=(0, 1))
figure

# %% [markdown]
# From 0.09 to 0.92 in a hundred steps: first quickly, then slowly, as the mistake that drives it
# gets smaller. A network does the same with millions of weights instead of three scores (lesson 6).
#
# ## Errors
#
# People ask another question: how often is the largest score that of the wrong class? That is the
# *top-1 error*. With ImageNet's thousand classes many are hard to tell apart, so the paper also
# counts how often the right one is not among the five largest, the *top-5 error*. Neither can be
# used for learning: a small step hardly ever changes which score is the largest, so the gradient is
# 0.

# %%
many, rng = 1000, np.random.default_rng(0)
guesses, truth = rng.standard_normal((many, 1000)), rng.integers(0, 1000, many)
places = np.sum(guesses > guesses[np.arange(many), truth][:, None], axis=1)  # 0: the largest
top_1, top_5 = np.mean(places >= 1), np.mean(places >= 5)
print(f"guessing among 1000 classes: top-1 error {top_1:.1%}, top-5 error {top_5:.1%}")

# %% [markdown]
# AlexNet's were 37.5% and 17.0% on the test images of 2010.
#
# ## Change this and predict
#
# 1. Add 5 to all three scores. What happens to the loss, and to `dscores`? And if you double them?
# 2. Give the batch two images, with scores 2, 1, 0 and 0, 0, 0 and labels 0 and 1. How large are
#    their gradients, compared with those of the single image?
# 3. Write them yourself: `python -m lessons exercise softmax`, then `softmax_loss_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. Adding changes nothing: each $e^s$ grows by the same factor. Doubling makes the network surer:
#    p becomes 0.867 and the loss 0.143.
# 2. Half as large: the loss is the mean, so each image counts for a half.
#
# </details>
