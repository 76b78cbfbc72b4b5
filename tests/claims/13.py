"""What lesson 13 claims."""

import statistics

from minicnn.claims import driver, report


def training_error(arm):
    lines = driver.read(report.PACKAGED)
    runs = [line for line in lines if line["arm"] == arm and line["purpose"] == "run"]
    return str(100 * statistics.mean(line["training_error"] for line in runs))


CLAIMS = [
    ("units count 0.1", "round(1 - 0.9, 1)"),
    ("probability $p = 0.5$", "ops.dropout_forward.__defaults__[0]"),
    ("all units, times 0.5", "layers[2].options['p'] and predicting[2].options['p']"),
    ("to use all units times 0.5", "predicting[2].options['p']"),
    ("trains 1,024 networks", "len(masks)"),
    ("one of the 1,024", "len(all_p)"),
    ("for 100 of the photographs", "all_p.shape[1]"),
    ("102,400 rows", "len(h_masked)"),
    ("to the last digit of float32", "np.abs(geometric - half[:100]).max() < 1e-6"),
    ("the argument breaks", "gap > 0.01"),
    ("×0.5 *is* the geometric mean", "1 - layers[2].options['p']"),
    ("Then ×0.5 is the approximation", "1 - layers[2].options['p']"),
    ("Together they are better", "together < alone"),
    ("8,192 units", "2 * 4096"),
    ("$2^{8192}$ networks", "2 * 4096 == 8192"),
    ("0.0%, with dropout", training_error("four-layer-hidden")),
    ("to 7.3%", training_error("four-layer-dropout")),
    ("neither network was better", "'undecided' in sentence(14)"),
]
