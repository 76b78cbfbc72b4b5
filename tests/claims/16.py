"""What lesson 16 claims."""

ROW = "next(row for row in full if row.name == '{}').params['w'][0]"
IN_FC = "sum(net.count_parameters([row]) for row in full if row.name.startswith('fc'))"
COLOUR = (
    "np.mean([sorted(q['colour']) for q in "
    "dict(column_specialization.by_variant(lines))['paper']], 0)"
)

ERROR = "np.mean([100 * q['error'] for q in dict(column_specialization.by_variant(lines))['{}']])"

CLAIMS = [
    ("The 15.5 MB", "round(activations, 1) == 15.5"),
    ("About two thousand images", "1900 < 128 * gradients / activations < 2100"),
    ("half of conv2's kernels live on each GPU", "conv2.mean() == 0.5 and conv3.mean() == 1"),
    ("Both have both", "(y0 == y1).all() and y0.shape[1] == 2"),
    ("both get 11", "(dx0 == 11).all() and (dx1 == 11).all()"),
    ("Nothing beyond the last digits", "apart < 1e-12"),
    ("its own 48 maps", f"len({ROW.format('conv1')})"),
    ("batches of 128 images", "crossings[1].forward[0] == 128 * 128 * 13 * 13 * 4"),
    ("other column's 128 maps", f"len({ROW.format('conv2')})"),
    ("against 244", "(round(gradients), round(activations, 1)) == (244, 15.5)"),
    ("most of its weights in fully connected", f"2 * {IN_FC} > net.count_parameters(full)"),
    ("are 74 MB", "conv1"),
    ("So 61.0 million", "net.count_parameters(full) / 1e6"),
    ("with 59.8,", "net.count_parameters(one) / 1e6"),
    ("have 16.6", "net.count_parameters(half) / 1e6"),
    ("gets 41.5% wrong", ERROR.format("paper")),
    ("43.9%", ERROR.format("one-gpu")),
    ("tell 41.5", ERROR.format("paper")),
    ("from 42.0", ERROR.format("every-layer")),
    ("not grey: 0.58", f"{COLOUR}[0]"),
    ("and 0.61,", f"{COLOUR}[1]"),
    (
        "have 0.67",
        "column_specialization.gallery.colour(np.random.default_rng(0).standard_normal((400, 3, "
        "5, 5)))",
    ),
    ("15.5 MB each way, and as much back", "round(activations, 1) == 15.5"),
    ("15.5 and 244 MB", "(round(gradients), round(activations, 1)) == (244, 15.5)"),
]
QUOTED = [
    ("1.7 percentage points lower", "Krizhevsky et al. (2012), Section 3.2"),
    (
        "1.2 percentage points worse",
        "the original code, layer-params-150.cfg and layer-params-145.cfg",
    ),
]
