"""What lesson 20 claims.  Of times it claims only what holds by an order of magnitude."""

CLAIMS = [
    ("one function, twice", "in_python > 10 * compiled"),
    ("724,406,816", "work"),
    ("would have become centuries", "work * pace * 3 * 90 * 1.2e6 > 100 * 365 * 24 * 3600"),
    ("Only the last digits differ", "0 < apart < 1e-4"),
    ("half an operation a byte", "round(intensity('fc6', 1), 1) == 0.5"),
    (
        "With 128 images each weight serves 128 times",
        "intensity('fc6', 128) > 100 * intensity('fc6', 1)",
    ),
    ("at 187%", "100 * lines['conv1', 'forward']['of_limit']"),
    ("388% of NumPy's own product", "100 * lines['conv2', 'forward']['of_limit']"),
    ("took a 26th of", "lines['lrn1', 'forward']['ratio']"),
    ("in batches of 32", "measured['settings']['batch']"),
    ("two cores of a server", "measured['machine']['cores'] == 2"),
]
QUOTED = [
    ("1.2 million images", "Krizhevsky et al. (2012), Section 2"),
]
