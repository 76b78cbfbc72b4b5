"""What lesson 3 claims."""

CLAIMS = [
    ("1 + 2 + 3 + 4 = 10", "dx[0, 0, 2, 2] == dx.sum() == 10"),
    ("place 8 of the first window", "steps.result[1][2].ravel().tolist() == [8, 6, 2, 0]"),
    ("A little less, with a quarter", "0.7 * moved < moved_pooled < 0.95 * moved"),
    ("2.2 on average", "((15 * 3 + 2) / 32) ** 2"),
    ("80.5% win nowhere", "100 * np.mean(wins == 0)"),
    ("15.5% once", "100 * np.mean(wins == 1)"),
    ("4.0% more often", "100 * np.mean(wins > 1)"),
    ("27, then 13, then 6", "[pool_size(H, z=3, s=2) for H in (55, 27, 13)] == [27, 13, 6]"),
]
QUOTED = [
    ("by 0.4 and 0.3 percentage points", "Krizhevsky et al. (2012), Section 3.4"),
    (
        "(0.394 and 0.300)",
        "layer-params-147.cfg against layer-params-145.cfg, original code of 2012",
    ),
]
