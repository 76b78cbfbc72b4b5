"""What lesson 4 claims."""

CLAIMS = [
    ("nineteen of every twenty", "share > 0.95"),
    ("1·2 + 2·0 + 3·(−1) + 1 = 0", "y[0, 0] == 0"),
    ("of which 20 are always 0", "np.sum(matrix == 0) == 20"),
    ("the other 16 are four", "sorted(matrix[matrix != 0]) == sorted([1, 2, 3, 4] * 4) and 16"),
    ("nothing changes", "difference < 1e-6"),
    ("72% errors", "100 * error"),
    ("256 maps", "layers and 256 if by_hand == sizes['fc6'] else 0"),
    ("It has 4096 outputs", "sizes['fc7'] == 4096 * 4096 + 4096 and 4096"),
    ("each of 1000 classes", "sizes['fc8'] == 4096 * 1000 + 1000 and 1000"),
    ("96.2%, and", "100 * share"),
    ("37,752,832", "by_hand"),
    ("60,965,224", "total"),
    ("$4096 \\cdot 96 \\cdot 55 \\cdot 55$", "4096 * 96 * 55 * 55 > 1e9"),
]
QUOTED = [("1.2 million photographs", "Krizhevsky et al. (2012), Section 2")]
