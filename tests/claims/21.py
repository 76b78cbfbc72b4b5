"""What lesson 21 claims."""

VGG_E = "vgg.vgg('E', ops, None)"
SCORES = "deviations['{}'][-1]"

CLAIMS = [
    (
        "5,779 MiB",
        f"(12 * net.count_parameters({VGG_E}) + 64 * summary.kept_bytes({VGG_E}, shape, 64))"
        " / 2**20",
    ),
    ("Seven by seven", "len(rows) == 7"),
    (
        "1 3 6 7 6 3 1",
        "(middle // 7).tolist() == [1, 3, 6, 7, 6, 3, 1] and (middle % 7 == 0).all()",
    ),
    ("27 against 49", "(three // C**2, seven // C**2) == (27, 49)"),
    ("C to D: 3×3 instead of 1×1 helps", "errors['D'] < errors['C']"),
    ("D to E: at this scale no more", "errors['E'] > errors['D']"),
    ("gains nothing", "errors['A-LRN'] > errors['A']"),
    ("D has 138,357,544 parameters", "net.count_parameters(deep)"),
    ("AlexNet 60,965,224", "net.count_parameters(small)"),
    ("21 times the work", "work[1] / work[0]"),
    (
        "little more than twice",
        "2 < net.count_parameters(deep) / net.count_parameters(small) < 2.5",
    ),
    ("most of which sit in the fully", "2 * fully > net.count_parameters(deep)"),
    ("And 11 times the memory", "kept[1] / kept[0]"),
    ("43% of it", "100 * first_block"),
    ("64 maps of 224×224", "measured['D'][0].output[0] == (64, 224, 224)"),
    ("a deviation of 0.1", "np.sqrt(0.01)"),
    ("sums $9 \\cdot 512$", "inputs == 9 * 512"),
    ("Nearly 5", "4.5 < 0.1 * np.sqrt(inputs / 2) < 5"),
    ("nearly a half", "0.45 < 0.01 * np.sqrt(inputs / 2) < 0.5"),
    ("come out by the million", f"{SCORES.format('paper')} > 1e6"),
    ("they are nearly 0", f"{SCORES.format('0.01')} < 1e-6"),
    ("no such help is needed", f"1e-3 < {SCORES.format('glorot')} < 10"),
]
QUOTED = [
    ("one scale of 256 pixels", "Simonyan and Zisserman (2014), Table 3"),
    ("A variance of 0.01", "Simonyan and Zisserman (2014), Section 3.1"),
    ("With 0.01 as the deviation", "Krizhevsky et al. (2012), Section 5"),
]
