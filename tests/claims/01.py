"""What lesson 1 claims."""

CLAIMS = [
    ("+ 0.5 = 1.5", "b[0] == 0.5 and y[0, 0, 0, 0] == 1.5"),
    ("+ 0.5 = 0.5", "b[0] == 0.5 and y[0, 0, 1, 1] == 0.5"),
    ("224", "x1.shape[2]"),
    ("All four, by 9.5", "10 - b[0]"),
    ("227", "227 if out_size(227, 11, stride=4) == 55 else 0"),
    ("34,848", "w1.size"),
    ("290,400", "y1.size"),
    ("3,025", "y1[0, 0].size"),
    ("105,415,200", "products"),
]
QUOTED = [("1.2 million photographs", "Krizhevsky et al. (2012), Section 5")]
