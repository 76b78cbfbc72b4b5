"""What lesson 14 claims."""

CELL = "epochs({}, 'unit', 'fan-in', '{}')"
GIVEN_UP = (
    "{t['epsilon'] for t in trials if t['images'] == 50000 and t['input'] == 'raw'"
    " and t['nonlinearity'] == 'tanh' and not t['reached'] and t['epochs'] == 22} == {0.002, 0.008}"
)
LEVEL = "epochs(5000, 'raw', 'cuda-convnet', 'tanh') / epochs(5000, 'raw', 'cuda-convnet', 'relu')"

CLAIMS = [
    ("all 50,000 training images", "figure_1['settings']['images']"),
    ("ReLU needs 5.4 epochs", "figure_1['relu']['epochs']['mean']"),
    ("tanh 18.3", "figure_1['tanh']['epochs']['mean']"),
    ("a factor of 3.4", "figure_1['ratio']['mean']"),
    ("At 3 one percent is left", "round(dx_tanh[0, 2], 2) == 0.01"),
    ("at 6 nothing to speak of", "dx_tanh[0, 3] < 1e-4"),
    ("from about −140 to 160", "(round(images.min(), -1), round(images.max(), -1)) == (-140, 160)"),
    ("73% of tanh's first units", "100 * share"),
    ("loop: 100 images", "len(x_few)"),
    ("1.2, 1.7, 3.4", "[round(r, 1) for r in ratios] == [1.2, 1.7, 3.4]"),
    ("the two are level", f"abs({LEVEL} - 1) < 0.05"),
    ("4.5 epochs", CELL.format(50000, "tanh")),
    ("14.5 on all", CELL.format(50000, "relu")),
    ("For 5,000 images", "counts[0]"),
    ("So 1.2 above", "ratios[0]"),
    ("have been 1.5", "max(two_seeds['by_seed'])"),
    ("The 3.4 is one seed", "len(figure_1['relu']['runs']) == 1"),
    ("0.002 and 0.008 it was", GIVEN_UP),
]
QUOTED = [
    ("$N(0, 0.01^2)$", "Krizhevsky et al. (2012), Section 5"),
    ("a slope below 0.1", "the code"),
]
