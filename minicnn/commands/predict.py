"""python -m minicnn predict CHECKPOINT IMAGE …: the most probable classes of photographs."""

import json
import sys

from ..backends import backend
from ..console import printable
from .options import CHECKPOINT, add_gpus, add_max_pixels, add_ops, whole
from .test import add_views


def add(commands):
    command = commands.add_parser(
        "predict",
        help="the most probable classes of photographs",
        description="Print the most probable classes of each photograph as text or JSON, or draw "
        "them as bars, like the paper's Figure 4.",
    )
    command.set_defaults(run=run)
    command.add_argument("checkpoint", metavar="CHECKPOINT", help=CHECKPOINT)
    command.add_argument("images", nargs="+", metavar="IMAGE", help="a photograph, of any size")
    add_max_pixels(command)
    add_views(command)
    command.add_argument(
        "--best", type=whole, default=5, metavar="N", help="number of classes to print (default: 5)"
    )
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.add_argument(
        "--picture",
        metavar="FILE",
        help="also draw the photographs with bars, as .png",
    )
    add_ops(command)
    add_gpus(command)


def run(options):
    import numpy as np

    from .. import storage
    from ..data import decode
    from ..plots import canvas, gallery
    from ..training import predictor

    if options.picture and not options.picture.lower().endswith(".png"):
        raise ValueError(f"--picture {options.picture}: expected a name that ends in .png")
    if options.picture:
        inputs = [options.checkpoint, *options.images]
        storage.check_output(options.picture, canvas.FIGURE, inputs)
    network = predictor.load(options.checkpoint, backend(options.ops, options.gpus))
    pictures, names = [], []
    for name in options.images:
        try:
            pictures.append(decode.decode(name, network.mean.shape[1], options.max_pixels))
            names.append(name)
        except (decode.Unreadable, OSError, MemoryError) as error:
            reason = printable(decode.reason_of(error))
            print(f"minicnn: {printable(name)}: {reason}", file=sys.stderr)
    if not pictures:
        raise ValueError("none of the images could be read")
    pictures = np.stack(pictures)
    probabilities = predictor.predict(network, pictures, options.views, "predict")
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, : options.best]
    answers = [
        {
            "image": name,
            "classes": [
                {"class": network.classes[k], "probability": round(float(p[k]), 6)} for k in order
            ],
        }
        for name, p, order in zip(names, probabilities, best, strict=True)
    ]
    if options.json:
        print(json.dumps(answers, indent=2))
    else:
        for answer in answers:
            print(printable(answer["image"]))
            for guess in answer["classes"]:
                print(f"  {guess['probability']:7.2%}  {printable(guess['class'])}")
    if options.picture:
        gallery.figure4_bars(
            pictures, None, probabilities, network.classes, options.picture, options.best
        )
        print(f"Wrote {options.picture}", file=sys.stderr)
    return 0 if len(names) == len(options.images) else 1
