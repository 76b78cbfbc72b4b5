"""The claims of the paper: what it says, and which arms are compared to test it.

section    of the AlexNet paper; "VGG" of Simonyan and Zisserman's; "–" of cuda-convnet's page
says       the claim, in a few words
paper      its number, as the paper gives it
kind       the function of findings.py that compares
arms       the arms: the better one first, then the other one
seeds      runs of each arm
share      the paper's difference as a share of the larger error; None: it gives no number
value      what is compared
elsewhere  what others found on ImageNet, with the source
"""

from collections import namedtuple

Claim = namedtuple(
    "Claim", "section says paper kind arms seeds share value elsewhere", defaults=["error", ""]
)

SIZES = ("5k", "10k", "20k", "50k")
RACES = [f"race-{name}-{size}" for size in SIZES for name in ("relu", "tanh")]
READINGS = [  # of claim 1: the network with two locally connected layers; ε in powers of ten
    f"race-{reading}"
    for form in ("local-{}-twos", "{}-tens", "local-{}-tens")
    for reading in (form.format("relu"), form.format("tanh"))
]
CAFFENET = "ducha-aiki/caffenet-benchmark, CaffeNet at 128 pixels"

CLAIMS = {
    1: Claim("3.1", "ReLU reaches 25% training error sooner than tanh", "6 times", "ratio",
             ("race-relu-50k", "race-tanh-50k", *READINGS), 3, None,
             elsewhere=f"accuracy 0.471 with ReLU, 0.401 with tanh, 0.389 without ({CAFFENET})"),
    2: Claim("3.1", "the ratio of claim 1 grows with the number of images", "not in the paper",
             "trend", RACES, 3, None),
    3: Claim("3.1", "the logistic function is slower than tanh", "not in the paper", "ratio",
             ("race-tanh-50k", "race-logistic-50k"), 2, None),
    4: Claim("3.3", "local response normalization lowers the error", "1.4 points", "gap",
             ("four-layer-lrn", "four-layer", "four-layer-k-alone"), 5, 0.03,
             elsewhere=f"accuracy 0.470 with normalization, 0.471 without ({CAFFENET})"),
    5: Claim("3.3", "… and from 13 to 11% in cuda-convnet's network", "13 → 11%", "gap",
             ("local-lrn", "local"), 3, 0.15),
    6: Claim("3.4", "overlapping pools lower the error", "0.4 points", "gap",
             ("four-layer", "four-layer-2x2-pools"), 8, 0.01),
    7: Claim("1, 7", "removing a middle convolution raises the error", "2 points", "gap",
             ("small-alexnet", "small-alexnet-no-conv3", "small-alexnet-no-conv4"), 3, 0.05),
    8: Claim("1", "no convolution has more than 1% of the parameters", "1%", "counting", (), 0,
             None),
    9: Claim("3.2", "two columns beat the network for one GPU", "1.7 points", "gap",
             ("two-columns", "one-column"), 3, 0.04),
    10: Claim("6.1", "one column becomes grey, the other colourful, in every run", "every run",
              "colours", ("two-columns-small-weights",), 5, None),
    11: Claim("4.1", "crops and mirrored images lower the error", "19 → 14.2% (cuda-convnet)",
              "gap", ("four-layer-crops", "four-layer-central"), 3, 0.25),
    12: Claim("4.1", "changing colours lowers the error", "over 1 point", "gap",
              ("four-layer-colours", "four-layer-crops"), 5, 0.025),
    13: Claim("4.1", "ten views lower the error", "1.5 points", "views",
              ("four-layer-crops",), 3, 0.04),
    14: Claim("4.2", "dropout lowers the error of a network that overfits", "–", "gap",
              ("four-layer-dropout", "four-layer-hidden"), 3, None),
    15: Claim("4.2", "halving the outputs approximates the geometric mean of all thinned networks",
              "“a reasonable approximation”", "masks", (), 0, None),
    16: Claim("5", "weight decay lowers the training error", "–", "gap",
              ("four-layer-decay-0.0005", "four-layer-decay-0"), 5, None, "training_error_still"),
    17: Claim("5", "biases of 1 speed up the start", "–", "gap",
              ("small-alexnet-bias-1", "small-alexnet-bias-0"), 5, None, "training_error"),
    18: Claim("5", "dividing ε lowers the error", "–", "gap",
              ("four-layer", "four-layer-constant-epsilon"), 3, None),
    19: Claim("6", "the average of five networks has a lower error", "18.2 → 16.4%", "ensemble",
              ("four-layer",), 5, 0.10),
    20: Claim("6", "training on other classes first lowers the error", "18.2 → 16.6%", "gap",
              ("four-layer-tuned", "four-layer-last-five"), 3, 0.09),
    21: Claim("6.1", "features find images of the same class, pixels do not", "–", "neighbours",
              ("small-alexnet",), 3, None),
    22: Claim("VGG 4.1", "normalization does not lower the error of VGG", "29.6 → 29.7%", "no_gap",
              ("small-vgg-a-lrn", "small-vgg-a"), 3, 0.03),
    23: Claim("VGG 2.3", "two 3×3 convolutions have a lower error than one 5×5", "7%", "gap",
              ("small-vgg-b", "small-vgg-b-5x5"), 3, 0.07),
    24: Claim("–", "cuda-convnet's four networks have errors of 26, 18, 13 and 11%",
              "in 80 s, 20, 25 and 75 min (GTX 580)", "history",
              ("80sec", "18pct", "13pct", "11pct"), 1, None),
}  # fmt: skip
