"""What lesson 8 claims."""

CLAIMS = [
    ("At its best the centred one is right to ten digits", "centred.min() < 1e-10"),
    ("the other to seven", "1e-8 < one_sided.min() < 1e-7"),
    ("one image and not the whole batch", "one_image and not two_images"),
    ("Second, `=` for `+=` in pooling", "side_by_side and not overlapping"),
    ("checked to two digits", "papers_alpha and not large_alpha"),
    ("It never can", "gradients and abs(found - by_hand) > 0.1"),
    ("$0.0005\\,w$", "ops.sgd_update.__defaults__[1]"),
    ("$0.0005\\,\\epsilon\\,w$", "ops.sgd_update.__defaults__[1]"),
    ("With $\\epsilon = 1$ there is no difference", "off[1.0] == 0"),
    ("with 0.01 the weights decay a hundred times too fast", "off[0.01] > 0 and 0.01"),
]
