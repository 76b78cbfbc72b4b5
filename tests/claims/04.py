"""What lesson 4 claims."""

CLAIMS = [
    ("the logistic function 4.5%", "100 * let_through['logistic']"),
    ("tanh 1.0%", "100 * let_through['tanh']"),
    ("layers of 100 units", "images.shape[1]"),
    ("less than a billionth", "norms['logistic'][0] < 1e-9 * norms['logistic'][-1]"),
    ("come through twenty layers unharmed", "0.5 < norms['tanh'][0] / norms['tanh'][-1] < 2"),
    ("layers unharmed", "0.5 < norms['relu'][0] / norms['relu'][-1] < 2"),
    ("N(0, 0.01²)", "abs(layers[0].params['w'].std() - 0.01) < 0.0005"),
    ("most units are near ±1", "mean_slope['tanh'] < 0.2"),
    ("a third of the gradient", "0.25 < dw1['tanh'] / dw1['relu'] < 0.4"),
    ("a hundredth", "0.005 < dw1['logistic'] / dw1['relu'] < 0.015"),
    ("31% are off", "100 * (1 - mean_slope['relu'])"),
    ("50,000", "results['settings']['images']"),
    ("5.4 epochs", "epochs['relu']"),
    ("against 18.3", "epochs['tanh']"),
    ("3.4 times", "results['ratio']['mean']"),
]
