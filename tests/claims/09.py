"""What lesson 9 claims."""

CLAIMS = [
    (
        "Its biases are 0",
        "all((row.params['b'] == 0).all() for row in cifar.four_layer(ops, None) if row.params)",
    ),
    ("2.303 nats", "np.log(10)"),
    ("it is 6.908", "np.log(1000)"),
    (
        "the decay is thousands of times smaller",
        "1000 * np.abs(0.0005 * w).mean() < np.abs(dw).mean()",
    ),
    ("Ten times $\\epsilon$", "round(pace[-1]) == 10"),
    ("a learning rate of 0.01 one of 0.1", "round(0.01 * pace[-1], 2) == 0.1"),
    ("13,866 steps", "halved"),
    ("one and a half of AlexNet's ninety epochs", "round(epochs, 1) == 1.5"),
    ("from 2.328", "losses[0]"),
    ("to 2.306", "losses[1]"),
    ("learns ten pictures by heart", "losses[16] < 0.6"),
]
QUOTED = [
    ("a deviation of 0.01", "Krizhevsky et al. (2012), Section 5"),
    ("= 0.9 \\, v_i - 0.0005 \\,", "Krizhevsky et al. (2012), Section 5"),
    ("1 + 0.9 + 0.9^2", "the 0.9 of the rule"),
    ("/ (1 - 0.9)", "the 0.9 of the rule"),
    ("$-0.0005 \\,", "the 0.0005 of the rule"),
    ("$\\epsilon$ of 0.001", "the code"),
    ("AlexNet's $\\epsilon = 0.01$", "Krizhevsky et al. (2012), Section 5"),
    ("an $\\epsilon$ of 0.02", "the original code, layer-params-145.cfg"),
    ("has 0.03 in conv3", "the original code, layers-145.cfg"),
    ("`epsilon` to 0.01", "Krizhevsky et al. (2012), Section 5"),
]
