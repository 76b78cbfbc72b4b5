"""What lesson 6 claims."""

CLAIMS = [
    (
        "Its biases are 0",
        "all((row.params['b'] == 0).all() for row in cifar.four_layer(ops, None) if row.params)",
    ),
    ("2.303 nats", "np.log(10)"),
    (
        "the decay is thousands of times smaller",
        "1000 * np.abs(0.0005 * w).mean() < np.abs(dw).mean()",
    ),
    ("ten times $\\epsilon$", "round(1 / (1 - 0.9)) == 10"),
    ("rate of 0.01 one of 0.1", "round(0.01 / (1 - 0.9), 2) == 0.1"),
    ("= 13,863$", "np.log(2) / (0.0005 * 10 * 0.01)"),
    ("from 2.328", "losses[0]"),
    ("to 2.306", "losses[1]"),
    ("learns ten pictures by heart", "losses[16] < 0.6"),
    ("Now 1,000 images", "len(small_x)"),
    ("about 1,000 other", "len(small_test)"),
    ("is ten steps", "run.history[0]['step'] == 10"),
    ("a *batch* of 100", "how['batch']"),
    ("down to 16%", "training[-1]"),
    ("stays at 70%", "validation[-1]"),
    ("learns its 1,000 images", "len(taught[1])"),
    ("a hundred times $\\epsilon$", "round(1 / (1 - 0.99)) == 100"),
    ("only at 45", "(1 - 0.99**60) / (1 - 0.99)"),
]
QUOTED = [
    ("(standard) deviation of 0.01", "Krizhevsky et al. (2012), Section 5"),
    ("= 0.9 \\, v_i - 0.0005 \\,", "Krizhevsky et al. (2012), Section 5"),
    ("1 + 0.9 + 0.9^2", "the 0.9 of the rule"),
    ("/ (1 - 0.9)", "the 0.9 of the rule"),
    ("/ (0.0005 \\cdot", "the 0.0005 of the rule"),
    ("$\\epsilon$ of 0.001", "the code"),
    ("a momentum of 0.99", "the question"),
    ("AlexNet's $\\epsilon = 0.01$", "Krizhevsky et al. (2012), Section 5"),
    ("an $\\epsilon$ of 0.02", "the original code, layer-params-145.cfg"),
    ("`epsilon` to 0.01", "Krizhevsky et al. (2012), Section 5"),
]
