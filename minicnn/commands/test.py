"""python -m minicnn test CHECKPOINT … --data DATA: errors of trained networks (Section 6)."""

import json

from ..backends import backend
from ..console import printable
from .options import CHECKPOINT, add_data, add_gpus, add_ops

VIEWS = ("1", "10", "50", "dense", "10+dense", "50+dense")
FORMAT = "minicnn test 1"  # of the results in --json
PRINTED = 20  # classes or pairs of classes; a table of more does not fit on a screen


def add(commands):
    command = commands.add_parser(
        "test",
        help="errors of trained networks, one by one and as an ensemble",
        description="Classify the validation images with each network and with all of them as an "
        "ensemble; print top-1 and top-5 errors, and which class was predicted for which.",
    )
    command.set_defaults(run=run)
    command.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help=CHECKPOINT)
    add_data(command, photos=True)
    add_views(command)
    command.add_argument(
        "--choose-weights",
        action="store_true",
        help="with several networks: choose their weights in the ensemble on a random half of the "
        "images, and count errors on the other half (default: all have the same weight)",
    )
    command.add_argument("--json", metavar="FILE", help="also write the results to this file")
    add_ops(command)
    add_gpus(command)


def add_views(command):
    """Add --views."""
    command.add_argument(
        "--views",
        choices=VIEWS,
        default="1",
        help="the views of each image to average: 1, the central patch (default); 10, also the "
        "patches in the corners, and all mirror images, as in the paper; 50, a grid of 5×5 patches "
        "and their mirror images, as in VGG; dense, the whole image and its mirror image, at every "
        "position, as in VGG; 10+dense and 50+dense, the mean of both",
    )


def run(options):
    import numpy as np

    from .. import data, storage
    from ..training import evaluate, predictor

    kind = storage.Kind("results of minicnn test", rb'\{\s*"format": "minicnn test')
    if options.json:
        storage.check_output(options.json, kind, options.checkpoints)
    photos = data.load(options.data)
    images, labels = photos.test_x, photos.test_y
    if not len(images):
        raise ValueError(f"{options.data} has no validation images to test with")
    if options.choose_weights and (len(options.checkpoints) < 2 or len(images) < 2):
        raise ValueError("--choose-weights needs two networks and two images, or more")
    ops = backend(options.ops, options.gpus)
    networks = [predictor.load(path, ops) for path in options.checkpoints]
    for network in networks:
        predictor.check_data(network, photos, options.data)
    members = [
        predictor.predict(network, images, options.views, title=str(network.path))
        for network in networks
    ]
    weights = None
    if options.choose_weights:
        half = np.random.default_rng(0).permutation(len(labels)) % 2 == 0
        weights = evaluate.choose_weights([m[half] for m in members], labels[half])
        members, labels = [m[~half] for m in members], labels[~half]
    lines = [
        errors_of_member(str(path), member, labels)
        for path, member in zip(options.checkpoints, members, strict=True)
    ]
    together = evaluate.combine(members, weights)
    if len(members) > 1:
        lines.append(errors_of_member(f"all {len(members)} together", together, labels))
    table = evaluate.confusion(together, labels)
    results = {
        "format": FORMAT,
        "images": len(labels),
        "views": options.views,
        "errors": lines,
        "weights": None if weights is None else [round(w, 4) for w in weights.tolist()],
        "classes": list(photos.classes),
        "confusion": table.tolist(),
    }
    if options.json:
        storage.write_text(options.json, json.dumps(results, indent=2) + "\n", kind)
    print(f"{len(labels):,} images of {options.data}, views: {options.views}")
    for line in lines:
        top_5 = f", top-5 {line['top_5']:.2%}" if "top_5" in line else ""
        print(f"top-1 error {line['top_1']:.2%}{top_5}   {printable(line['name'])}")
    if weights is not None:
        print("weights: " + ", ".join(f"{w:.2f}" for w in weights))
    print(confusion_text(table, [*map(printable, photos.classes)], np.argsort(-table, axis=None)))
    return 0


def errors_of_member(name, probabilities, labels):
    """Return the errors of one network, or of the ensemble."""
    from ..training import evaluate

    errors = {"name": name, "top_1": evaluate.error(probabilities, labels)}
    if probabilities.shape[1] > 5:
        errors["top_5"] = evaluate.error(probabilities, labels, k=5)
    return errors


def confusion_text(table, classes, order):
    """Return the confusion table, or with many classes the pairs that are confused most often."""
    if len(classes) > PRINTED:
        pairs = [divmod(int(i), len(classes)) for i in order]
        pairs = [(a, b) for a, b in pairs if a != b and table[a, b]][:PRINTED]
        lines = [f"{table[a, b]:6} {classes[a]} taken for {classes[b]}" for a, b in pairs]
        return "\n".join(["Most often:", *lines])
    wide = max(map(len, classes))
    cell = max(5, len(str(table.max())) + 1)
    head = " " * wide + "".join(name[: cell - 1].rjust(cell) for name in classes)
    rows = [
        name.rjust(wide) + "".join(str(n).rjust(cell) for n in row)
        for name, row in zip(classes, table, strict=True)
    ]
    return "\n".join(["True class (row) and predicted class (column):", head, *rows])
