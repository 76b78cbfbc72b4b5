"""What lesson 2 claims."""

CLAIMS = [
    ("a single kernel, of 5×5 weights", "both.shape == (1, 1, 5, 5) and linear < 1e-9"),
    ("only edges in the bright parts", "with_relu > 10"),
    ("the logistic function 4.5%", "100 * let_through['logistic']"),
    ("tanh 1.0%", "100 * let_through['tanh']"),
    ("between −0.76 and 0.76", "round(np.tanh(1), 2) == 0.76"),
    ("0, or nearly", "ops.conv_forward(boat, smooth, np.zeros(1))[0].min() >= 0"),
]
