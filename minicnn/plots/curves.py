"""The paper's figures, redrawn from our own runs.

    history    a list of dicts, one an epoch, as training/run.py writes them to history.jsonl
    path       the PNG to write, whole or not at all; an OSError if it cannot be written

matplotlib is imported when a figure is drawn, never before.
"""

from .canvas import new_figure, save

STYLE = {"relu": ("ReLU", "-", "tab:blue"), "tanh": ("tanh", "--", "tab:red")}


def figure1(results, histories, path):
    """Draw training error against epochs, ReLU solid and tanh dashed, with the 25% line (Figure 1).

    Parameters
    ----------
    results : dict
        As experiments/figure1.py writes them to results.json.
    histories : list of (nonlinearity, history)
        One for each run; runs of other seeds are drawn thin.
    path : path
    """
    figure, axes = new_figure(6, 4.5)
    named = set()
    for nonlinearity, history in histories:
        name, line, colour = STYLE[nonlinearity]
        summary = results[nonlinearity]
        epochs = f"{summary['epochs']['mean']:.1f} epochs"
        epochs = epochs if summary["reached"] else f"not always at 25% after {epochs}"
        label = f"{name}, ε = {summary['epsilon']:g}: {epochs}"
        look = {"linewidth": 0.8, "alpha": 0.6}
        if nonlinearity not in named:  # its first seed stands for all of them in the legend
            look = {"linewidth": 2, "alpha": 1, "label": label}
        named.add(nonlinearity)
        epochs = [h["epoch"] for h in history]
        errors = [h["training_error"] for h in history]
        axes.plot(epochs, errors, line, color=colour, **look)
    axes.axhline(0.25, color="black", linestyle=":", linewidth=1)
    axes.set_xlabel("epochs")
    axes.set_ylabel("training error rate")
    axes.set_ylim(0, 0.85)
    axes.set_xlim(left=0)
    axes.set_yticks([0, 0.25, 0.5, 0.75])
    axes.xaxis.get_major_locator().set_params(integer=True)
    settings = results["settings"]
    axes.set_title(
        f"{settings['network']} network, {settings['images']:,} CIFAR-10 images", fontsize=10
    )
    axes.legend(frameon=False, title=ratio_text(results["ratio"]), alignment="left")
    save(figure, path)


def ratio_text(ratio):
    """Return "tanh needs 1.5 ± 0.1 times as many epochs", or what can be said instead.

    `ratio` is what figure1.ratio returns.
    """
    if ratio["mean"] is None and ratio["at_least"] is None:
        return "No ratio: ReLU did not always reach 25%"
    if ratio["mean"] is None:
        return f"tanh needs more than {ratio['at_least']:.1f} times as many epochs"
    spread = f" ± {ratio['sd']:.1f}" if ratio["sd"] is not None else ""
    return f"tanh needs {ratio['mean']:.1f}{spread} times as many epochs"


def curves(history, path):
    """Draw training error, validation error and loss of one run against epochs.

    Parameters
    ----------
    history : list of dict
        At least one epoch; validation_error may be None in all of them.
    path : path
    """
    figure, (left, right) = new_figure(9, 3.6, columns=2)
    epochs = [h["epoch"] for h in history]
    errors = [h["training_error"] for h in history]
    left.plot(epochs, errors, ".-", color="black", label="training")
    if history[-1]["validation_error"] is not None:
        errors = [h["validation_error"] for h in history]
        left.plot(epochs, errors, ".-", color="tab:red", label="validation")
    left.set_ylabel("error rate")
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    right.plot(epochs, [h["loss"] for h in history], ".-", color="black")
    right.set_ylabel("training loss (nats)")
    for axes in (left, right):
        axes.set_xlabel("epochs")
    save(figure, path)


def weights(history, path):
    """Draw the mean |W| of each layer against epochs, and beside it the mean |ΔW| of one step.

    The two tell whether a layer learns: the original code of 2012 printed them after each batch of
    files.  A |ΔW| around a thousandth of |W| is usual.

    Colours run from blue, the first layer, by green to red, the last one, and neighbours differ in
    the kind of line, too; the two columns of a layer have one colour.

    Parameters
    ----------
    history : list of dict
        At least one epoch.
    path : path
    """
    figure, both = new_figure(9, 3.6, columns=2)
    epochs, looks = [h["epoch"] for h in history], looks_by_depth(history[-1]["weights"])
    for which, (axes, label) in enumerate(zip(both, ("mean |W|", "mean |ΔW|"), strict=True)):
        for name, look in looks.items():
            sizes = [h["weights"][name][which] for h in history]
            axes.plot(epochs, sizes, marker=".", label=name.replace(".w", ""), **look)
        axes.set(yscale="log", ylabel=label, xlabel="epochs")
    look = {"fontsize": 8, "handlelength": 3, "labelspacing": 0.3}
    both[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), **look)
    save(figure, path)


def looks_by_depth(names):
    """Return how to draw the line of each layer's weights: name → colour and kind of line.

    `names` are in the order of the layers; "conv1.w.0" and "conv1.w.1" are columns of one.
    """
    from matplotlib import colormaps

    kinds = ("-", "--", "-.", ":")
    layers = list(dict.fromkeys(name.split(".")[0] for name in names))
    looks = {}
    for name in names:
        depth = layers.index(name.split(".")[0])
        share = 0.05 + 0.9 * depth / max(1, len(layers) - 1)
        kind = kinds[(depth + name.endswith(".1") * 2) % len(kinds)]
        looks[name] = {"color": colormaps["turbo"](share), "linestyle": kind}
    return looks


def study(results, finished, path):
    """Draw the map around Figure 1 from the lines of study.jsonl.

    Left: epochs to 25% training error against ε, for the four-layer network; a triangle is a trial
    that was given up there: the true number is larger.  5,000 images are drawn strong, more of them
    faint.  Right: tanh's best divided by ReLU's best, against the number of images; hollow where
    the sweep has not shown yet that both are the best.

    Parameters
    ----------
    results : list of dict
        The trials, as figure1_sweep.read returns them.
    finished : set
        The cells whose sweep is done, as figure1_sweep.finished returns them.
    path : path
    """
    figure, (left, right) = new_figure(11, 4.5, columns=2)
    conditions = {}
    for r in results:
        conditions.setdefault((r["network"], r["input"], r["init"]), []).append(r)
    palette = ("tab:blue", "tab:orange", "tab:green", "tab:purple")
    colours = dict(zip(conditions, palette, strict=False))
    hollow = False
    for condition, lines in conditions.items():
        best = {}  # (images, nonlinearity) → fewest epochs
        for r in lines:
            if r["reached"]:
                key = r["images"], r["nonlinearity"]
                best[key] = min(best.get(key, r["epochs"]), r["epochs"])
        images = sorted({n for n, _ in best if (n, "relu") in best and (n, "tanh") in best})
        label = "{}, {} pixels, {} weights".format(*condition)
        ratios = [best[n, "tanh"] / best[n, "relu"] for n in images]
        look = {"color": colours[condition]}
        right.plot(images, ratios, ":", **look)
        left.plot([], [], label=label, **look)
        for n, ratio in zip(images, ratios, strict=True):
            done = all((*condition, n, nonlinearity) in finished for nonlinearity in STYLE)
            right.plot(n, ratio, "o", mfc=look["color"] if done else "white", **look)
            hollow |= not done
        if condition[0] != "four-layer":
            continue
        for n in sorted({r["images"] for r in lines}):
            for nonlinearity in STYLE:
                cell = n, nonlinearity
                trials = [r for r in lines if (r["images"], r["nonlinearity"]) == cell]
                trials = sorted((r for r in trials if r.get("epochs")), key=lambda r: r["epsilon"])
                look = {"color": colours[condition], "alpha": 1 if n == 5000 else 0.4}
                draw_trials(left, trials, nonlinearity, look)
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_yticks([5, 10, 20, 40], labels=["5", "10", "20", "40"])
    left.set_xlabel("learning rate ε")
    left.set_ylabel("epochs to 25% training error")
    left.set_title("● ReLU  ■ tanh  △ given up there;  faint: more images", fontsize=10)
    right.axhline(1, color="black", linewidth=0.8)
    right.axhline(6, color="black", linewidth=0.8, linestyle=":")
    right.text(5000, 6.05, "the paper: 6", fontsize=9, va="bottom")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_yticks([0.25, 0.5, 1, 2, 4, 6], labels=["¼", "½", "1", "2", "4", "6"])
    right.set_ylim(0.25, 8)
    right.set_xlim(4000, 62500)
    if hollow:
        right.set_title("hollow: other ε are still to be tried", fontsize=10)
    right.set_xticks([5000, 10000, 20000, 50000], labels=["5,000", "10,000", "20,000", "50,000"])
    right.minorticks_off()
    left.minorticks_off()
    right.set_xlabel("training images")
    right.set_ylabel("epochs of tanh / epochs of ReLU, each at its best ε")
    left.legend(frameon=False, fontsize=8, loc="lower left")
    left.set_ylim(2.5, 50)
    save(figure, path)


def draw_trials(axes, trials, nonlinearity, look):
    """Draw one cell of the study: trials that reached 25% are joined; a triangle was given up."""
    line, mark = {"relu": ("-", "o"), "tanh": ("--", "s")}[nonlinearity]
    reached = [r for r in trials if r["reached"]]
    lost = [r for r in trials if not r["reached"]]
    axes.plot([r["epsilon"] for r in reached], [r["epochs"] for r in reached], line + mark, **look)
    axes.plot([r["epsilon"] for r in lost], [r["epochs"] for r in lost], "^", mfc="white", **look)
