"""What lesson 17 claims.  Where a number could change with the bundled network, words must do."""

CLAIMS = [
    ("the 64 kernels", "len(w)"),
    ("the first layer of a small AlexNet", "0.1 < network.errors['sample'] < 0.2"),
    ("391 steps are an epoch", "network.history[0]['step']"),
    ("Half of the way is done", "0.4 < (alike[1955] - alike[0]) / (1 - alike[0]) < 0.6"),
    ("still shows", "alike[0] > 0.3"),
    ("It falls at once", "after < before - 1"),
    ("the two errors stay close together", "abs(training[-1] - validation[-1]) < 5"),
    ("Too small learns, but slowly", "last[0.03] + 5 < last[0.0005] < 80"),
    ("too large jumps about", "last[0.5] > last[0.03] + 5"),
    ("Take 100 test images", "len(queries)"),
    ("nearest of 400 others", "len(base)"),
    ("for the network they are close", "same['features'] > same['pixels'] + 0.3"),
]
QUOTED = [("50,000 images", "README.txt beside the bundled checkpoint")]
