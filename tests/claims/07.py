"""What lesson 7 claims."""

CLAIMS = [
    ("L = 9", "L == 9 and (u, v, y) == (-6, 4, 4)"),
    ("$2(y-1)$ | 6", "dy == 6"),
    ("$L$ grows by 12 times", "dw"),
    ("$b \\cdot 3 = 9$, the lower $a \\cdot 1 = 6$", "abs(measured - 15) < 1e-6"),
    ("$1 \\cdot 2 + 10 \\cdot 1 = 12$", "dws[0, 1] == 12"),
    ("and compares", "report.ok"),
    ("60,965,224", "60_965_224"),
    ("take 1.4 days", "2 * 60_965_224 * 0.001 / 86_400"),
    ("although $L = 1$", "run(x, w, 5.0)[1:] == (-1, 0, 1)"),
]
