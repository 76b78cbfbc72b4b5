"""What lesson 5 claims."""

CLAIMS = [
    ("$e^2 = 7.39$", "round(np.exp(2), 2) == 7.39"),
    ("$e = 2.72$", "np.e"),
    ("7.39 / (7.39 + 2.72 + 1) = 0.665", "round(p[0], 3) == 0.665"),
    ("−ln 0.665 = 0.408", "round(p[0], 3) == 0.665 and round(loss, 3) == 0.408"),
    ("ln 10 = 2.303", "round(np.log(10), 3) == 2.303"),
    ("ln 1000 = 6.908", "round(np.log(1000), 3) == 6.908"),
    ("$e^{1000}$ from overflowing", "np.isfinite(ops.softmax(np.array([[1000.0, 0]]))).all()"),
    ("50 probabilities of 0.1", "(fifty == np.float32(0.1)).all() and len(fifty) == 50"),
    ("The product is 0", "product"),
    ("the sum is 115.1", "total"),
    ("costs 0.71", "-np.log(0.49)"),
    ("1% costs 4.61", "round(-np.log(0.01), 2) == 4.61"),
    ("they add up to 0", "abs(dscores.sum()) < 1e-15"),
    ("From 0.09", "path[0]"),
    ("to 0.92 in a hundred steps", "path[100]"),
    ("p becomes 0.867", "ops.softmax(2 * scores)[0, 0]"),
    ("the loss 0.143", "ops.softmax_loss_forward(2 * scores, labels)[0]"),
]
QUOTED = [("37.5% and 17.0%", "Krizhevsky et al. (2012), Section 6")]
