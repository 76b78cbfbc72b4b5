"""What lesson 18 claims."""

CELL = (  # the epochs of the best learning rate
    "min(t['epochs'] for t in figure1_sweep.journal.select(figure1_sweep.read(results), "
    "figure1_sweep.Cell('{}', '{}', '{}', {}, '{}')._asdict()) if t['reached'])"
)


def best(images, nonlinearity, input="raw", init="paper", network="four-layer"):
    """Return the expression for the fewest epochs under these conditions."""
    return CELL.format(network, input, init, images, nonlinearity)


def ratio(images, **conditions):
    """Return the expression for tanh's epochs over ReLU's."""
    return f"{best(images, 'tanh', **conditions)} / {best(images, 'relu', **conditions)}"


GIVEN_UP = (
    "{t['epsilon'] for t in figure1_sweep.read(results) if t['images'] == 50000 and t['input'] "
    "== 'raw'"
    " and t['nonlinearity'] == 'tanh' and not t['reached'] and t['epochs'] == 22} == {0.002, 0.008}"
)
CLAIMS = [
    ("3. About 1.3.", "round(two_seeds['mean'], 1) == 1.3"),
    ("all 50,000 training images", "figure_1['settings']['images']"),
    ("ReLU needs 5.4 epochs", "figure_1['relu']['epochs']['mean']"),
    ("tanh 18.3", "figure_1['tanh']['epochs']['mean']"),
    ("a factor of 3.4", "figure_1['ratio']['mean']"),
    ("At 3 one percent is left", "round(dx_tanh[0, 2], 2) == 0.01"),
    ("at 6 nothing to speak of", "dx_tanh[0, 3] < 1e-4"),
    ("from about −140 to 160", "(round(images.min(), -1), round(images.max(), -1)) == (-140, 160)"),
    ("73% of tanh's first units", "100 * share"),
    ("loop: 100 images", "len(x_few)"),
    ("1.2 with 5,000", f"round({ratio(5_000)}, 1) == 1.2"),
    ("1.7 with 10,000", f"round({ratio(10_000)}, 1) == 1.7"),
    ("3.4 with all", ratio(50_000)),
    ("the two are level", f"abs({ratio(5000, init='cuda-convnet')} - 1) < 0.05"),
    ("4.5 epochs", best(50000, "tanh", "unit", "fan-in")),
    ("14.5 on all", best(50000, "relu", "unit", "fan-in")),
    ("gave 1.09", "two_seeds['by_seed'][0]"),
    ("where the sweep has 1.2", ratio(5000)),
    ("and 1.46", "two_seeds['by_seed'][1]"),
    ("the first ratio is 1.3", ratio(5000, network="four-hidden-layer")),
    ("The 3.4 is one seed", "len(figure_1['relu']['runs']) == 1"),
    ("0.002 and 0.008 it was", GIVEN_UP),
]
QUOTED = [
    ("$N(0, 0.01^2)$", "Krizhevsky et al. (2012), Section 5"),
    ("a slope below 0.1", "the code"),
]
