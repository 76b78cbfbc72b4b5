"""What lesson 12 claims."""

CLAIMS = [
    ("From 0.74", "quiet[1]"),
    ("fall to 0.54", "quiet[3]"),
    ("then to 0.16", "quiet[10]"),
    ("1/(1 + 5) = 1/6", "abs(steps.result[0][0, 0, 0, 0] - 1 / 6) < 1e-15"),
    ("2/(1 + 1 + 4 + 0) = 1/3", "abs(steps.result[0][0, 1, 0, 0] - 1 / 3) < 1e-15"),
    ("−1/9", "abs(back.result[0][0, 0, 0, 0] + 1 / 9) < 1e-15"),
    ("1/6 − 2/9 = −1/18", "abs(back.result[0][0, 1, 0, 0] + 1 / 18) < 1e-15"),
    ("Channel 2 gets nothing", "back.result[0][0, 2, 0, 0] == 0"),
    ("$\\beta = 0.75$", "lrn_forward.__defaults__[3]"),
    ("$\\alpha = 0.5$ no test misses it", "missing[0.5] > 0.3 and missing[1e-4] < 0.001"),
    ("$2^{-0.75} = 0.595$", "round(2**-0.75, 3) == 0.595"),
    ("pixels go up to 255", "data.load('sample').test_x.max()"),
    ("answers reach 51", "a.max()"),
    ("from 0.528", "factor.min()"),
    ("to 0.595", "factor.max()"),
    ("that answer 100", "size / 10"),
    ("0.232 of that", "lrn_forward(five_alike / 10)[0][0, 2, 0, 0] / 100"),
    ("0.00002", "1e-4 / 5"),
]
QUOTED = [
    ("1.4 and 1.2 percentage points", "Krizhevsky et al. (2012), Section 3.3"),
    ("29.7% top-1 errors with it, 29.6% without", "Simonyan and Zisserman (2014), Table 3"),
]
