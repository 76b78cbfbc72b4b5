"""What lesson 10 claims."""

CLAIMS = [
    ("copy every pixel up to 25 times", "copies.max()"),
    ("even in the corners nine times", "copies[0, 0, 0] == 9"),
    ("1·1 − 1·2 + 0·5 + 2·6 = 11", "y[0, 0, 0, 0] == y_rows[0, 0] == 11"),
    ("1, 2, 3, 5, 6, 7 are the upper", "cols[0].tolist() == [1, 2, 3, 5, 6, 7]"),
    ("the four sixes", "np.sum(cols == 6) == 4"),
    ("take 4.4 MB", "cols_MB['conv1']"),
    ("7.3 times", "cols_MB['conv1'] / x_MB['conv1']"),
    ("121 places", "kernels[0, 0].size"),
    ("take 7.0 MB", "cols_MB['conv2']"),
    ("as much. A batch of 128", "128 * round(cols_MB['conv2']) == 896 and 128"),
    ("896 MB", "128 * cols_MB['conv2']"),
    ("105,415,200", "maps.size * kernels[0].size"),
    ("290,400", "maps.size"),
]
