"""What lesson 11 claims."""

CLAIMS = [
    ("layers of 100 units", "y.shape[1] and images.shape[1]"),
    ("twenty layers of 100 units with ReLU", "images.shape[1]"),
    ("less than a trillionth", "0.25**depth < 1e-12"),
    ("less than a billionth", "norms['logistic'][0] < 1e-9 * norms['logistic'][-1]"),
    ("come through twenty layers unharmed", "0.5 < norms['tanh'][0] / norms['tanh'][-1] < 2"),
    ("layers unharmed", "0.5 < norms['relu'][0] / norms['relu'][-1] < 2"),
    ("is a million in twenty", "sizes[2][-1] > 1e5 and sizes[0.5][-1] < 1e-6"),
    ("of 200 images", "len(few)"),
    ("27 of the 50 units are dead", "dead == 27 and after.shape[1] == 50"),
    ("With all 50 dead", "not all_after.any() and all_after.shape[1]"),
    ("a network that knows nothing", "abs(stuck - np.log(10)) < 0.01"),
    ("not one unit has died", "unit_after.any(axis=0).all() and unit_loss < loss"),
    ("N(0, 0.01^2)", "abs(layers[0].params['w'].std() - 0.01) < 0.0005"),
    ("most units are near ±1", "mean_slope['tanh'] < 0.2"),
    ("a third of the gradient", "0.25 < dw1['tanh'] / dw1['relu'] < 0.4"),
    ("a hundredth", "0.005 < dw1['logistic'] / dw1['relu'] < 0.015"),
    ("31% are off", "100 * (1 - mean_slope['relu'])"),
    ("at most $4^{-4} = 0.004$", "round(4**-4, 3) == 0.004"),
]
QUOTED = [
    ("and a fixed 0.01", "Krizhevsky et al. (2012), Section 5"),
    ("rate $\\epsilon$ of 0.1", "the code"),
]
