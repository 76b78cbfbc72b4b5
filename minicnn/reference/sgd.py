"""The update rule (Section 5), in the paper's symbols.

    v_{i+1} = 0.9·v_i − 0.0005·ε·w_i − ε·⟨∂L/∂w⟩
    w_{i+1} = w_i + v_{i+1}

    w    any shape     weights
    v    same shape    the momentum variable: all steps so far, each fading by 0.9 an iteration
    dw   same shape    ⟨∂L/∂w⟩, the mean gradient over the batch

The learning rate ε is inside v, so a change of ε takes a while to come through (in PyTorch, where
it is outside, it comes at once).  The weight decay, too, is multiplied by ε.
"""

from ..checks import check_update


def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    """Return the next w and v."""
    epsilon, momentum, decay = check_update(w, v, dw, epsilon, momentum, decay)
    v = momentum * v - decay * epsilon * w - epsilon * dw
    w = w + v
    return w, v
