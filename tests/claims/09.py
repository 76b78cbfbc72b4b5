"""What lesson 9 claims."""

CLAIMS = [
    ("(−2)·(−1) + 3·1 = 7", "dx[0, 0, 1, 1] == 7"),
    ("(−2)·0 + 3·1 = 4", "dw[0, 0, 0, 0] == 4"),
    ("it gets the sum of `dy`: 2", "db[0] == dy.sum() == 2"),
    ("34,848", "dw1.size"),
    ("290,400", "dy1.size"),
]
