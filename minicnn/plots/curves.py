"""The paper's figures, redrawn from our own runs.

    history    a list of dicts, one per epoch, as training/run.py writes them to history.jsonl
    path       the PNG to write, atomically; OSError if it cannot be written

matplotlib is imported only when a figure is drawn.
"""

from itertools import cycle

from .canvas import new_figure, save

PIXELS = {"raw": "pixels minus their mean", "unit": "pixels scaled to deviation 1"}
STYLE = {"relu": ("ReLU", "-", "tab:blue"), "tanh": ("tanh", "--", "tab:red")}


def figure1(results, histories, path):
    """Draw training error against epochs, ReLU solid and tanh dashed, with the 25% line (Figure 1).

    Parameters
    ----------
    results : dict
        The contents of results.json, see experiments/figure1.py.
    histories : list of (nonlinearity, history)
        One per run; each nonlinearity's first run is drawn thick, and the others thin.
    path : path
    """
    figure, axes = new_figure(6, 4.5)
    in_legend = set()
    for nonlinearity, history in histories:
        name, line, colour = STYLE[nonlinearity]
        summary = results[nonlinearity]
        epochs = f"{summary['epochs']['mean']:.1f} epochs"
        epochs = epochs if summary["reached"] else f"not always at 25% after {epochs}"
        label = f"{name}, ε = {summary['epsilon']:g}: {epochs}"
        look = {"linewidth": 0.8, "alpha": 0.6}
        if nonlinearity not in in_legend:  # the first seed represents all in the legend
            look = {"linewidth": 2, "alpha": 1, "label": label}
        in_legend.add(nonlinearity)
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
    """Return "tanh needs 1.5 times as many epochs", or another sentence if there is no ratio.

    ratio: as figure1.ratio returns it.
    """
    if ratio["mean"] is None and ratio["at_least"] is None:
        return "No ratio: ReLU did not always reach 25%"
    if ratio["mean"] is None:
        return f"tanh needs more than {ratio['at_least']:.1f} times as many epochs"
    return f"tanh needs {ratio['mean']:.1f} times as many epochs"


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
    """Draw each layer's mean |W| against epochs, and next to it the mean |ΔW| of one step.

    The two show whether a layer learns; the original code of 2012 printed them after each batch of
    files.  A |ΔW| of about a thousandth of |W| is typical.

    Colours run from blue for the first layer through green to red for the last one.  Adjacent
    layers also differ in line style, and the two columns of a layer share a colour.

    Parameters
    ----------
    history : list of dict
        At least one epoch.
    path : path
    """
    figure, panels = new_figure(9, 3.6, columns=2)
    epochs, looks = [h["epoch"] for h in history], looks_by_depth(history[-1]["weights"])
    for index, (axes, label) in enumerate(zip(panels, ("mean |W|", "mean |ΔW|"), strict=True)):
        for name, look in looks.items():
            sizes = [h["weights"][name][index] for h in history]
            axes.plot(epochs, sizes, marker=".", label=name.replace(".w", ""), **look)
        axes.set(yscale="log", ylabel=label, xlabel="epochs")
    look = {"fontsize": 8, "handlelength": 3, "labelspacing": 0.3}
    panels[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), **look)
    save(figure, path)


def looks_by_depth(names):
    """Return the look of each layer's line: name → colour and line style.

    `names` are in the order of the layers; "conv1.w.0" and "conv1.w.1" are columns of one layer.
    """
    from matplotlib import colormaps

    styles = ("-", "--", "-.", ":")
    layers = list(dict.fromkeys(name.split(".")[0] for name in names))
    looks = {}
    for name in names:
        depth = layers.index(name.split(".")[0])
        position = 0.05 + 0.9 * depth / max(1, len(layers) - 1)
        style = styles[(depth + name.endswith(".1") * 2) % len(styles)]
        looks[name] = {"color": colormaps["turbo"](position), "linestyle": style}
    return looks


def study(results, finished, path):
    """Draw the sweep around Figure 1 from the lines of study.jsonl.

    Left: epochs to 25% training error against ε, for the four-layer network.  A triangle is a trial
    that was stopped above 25%, so its true number of epochs is larger.  Trials with 5,000 images
    are drawn strong, and those with more are faint.  Right: tanh's best result divided by ReLU's,
    against the number of images; a mark is hollow until the sweep has shown that both are the best.

    Parameters
    ----------
    results : list of dict
        The trials, as figure1_sweep.read returns them.
    finished : set
        The conditions whose sweep is finished, as figure1_sweep.finished returns them.
    path : path
    """
    figure, (left, right) = new_figure(11, 4.5, columns=2)
    conditions = {}
    for r in results:
        conditions.setdefault((r["network"], r["input"], r["init"]), []).append(r)
    palette = ("tab:blue", "tab:orange", "tab:green", "tab:purple")
    colours = dict(zip(conditions, cycle(palette), strict=False))
    any_hollow = False
    for condition, trials in conditions.items():
        best = {}  # (images, nonlinearity) → fewest epochs
        for r in trials:
            if r["reached"]:
                key = r["images"], r["nonlinearity"]
                best[key] = min(best.get(key, r["epochs"]), r["epochs"])
        images = sorted({n for n, _ in best if (n, "relu") in best and (n, "tanh") in best})
        network, pixels, weights = condition
        label = f"{network} network, {PIXELS.get(pixels, pixels)}, first weights: {weights}"
        ratios = [best[n, "tanh"] / best[n, "relu"] for n in images]
        look = {"color": colours[condition]}
        right.plot(images, ratios, ":", **look)
        left.plot([], [], label=label, **look)
        for n, ratio in zip(images, ratios, strict=True):
            done = all((*condition, n, nonlinearity) in finished for nonlinearity in STYLE)
            right.plot(n, ratio, "o", mfc=look["color"] if done else "white", **look)
            any_hollow |= not done
        if condition[0] != "four-layer":
            continue
        for n in sorted({r["images"] for r in trials}):
            for nonlinearity in STYLE:
                cell = n, nonlinearity
                in_cell = [r for r in trials if (r["images"], r["nonlinearity"]) == cell]
                in_cell = [r for r in in_cell if r.get("epochs")]
                in_cell.sort(key=lambda r: r["epsilon"])
                look = {"color": colours[condition], "alpha": 1 if n == 5000 else 0.4}
                draw_trials(left, in_cell, nonlinearity, look)
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_yticks([5, 10, 20, 40], labels=["5", "10", "20", "40"])
    left.set_xlabel("learning rate ε")
    left.set_ylabel("epochs to 25% training error")
    title = "● ReLU  ■ tanh  △ stopped above 25%     strong: 5,000 images, faint: more"
    left.set_title(title, fontsize=9)
    right.axhline(1, color="black", linewidth=0.8)
    right.axhline(6, color="black", linewidth=0.8, linestyle=":")
    right.text(5000, 6.05, "the paper: 6", fontsize=9, va="bottom")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_yticks([0.25, 0.5, 1, 2, 4, 6], labels=["¼", "½", "1", "2", "4", "6"])
    right.set_ylim(0.25, 8)
    right.set_xlim(4000, 62500)
    if any_hollow:
        right.set_title("hollow: the sweep over ε is not finished", fontsize=10)
    right.set_xticks([5000, 10000, 20000, 50000], labels=["5,000", "10,000", "20,000", "50,000"])
    right.minorticks_off()
    left.minorticks_off()
    right.set_xlabel("training images")
    right.set_ylabel("epochs of tanh / epochs of ReLU, each at its best ε")
    left.legend(frameon=False, fontsize=8, loc="lower left")
    left.set_ylim(2, 50)
    save(figure, path)


def draw_trials(axes, trials, nonlinearity, look):
    """Draw the trials of one condition: joined if they reached 25%, else as triangles."""
    line, mark = {"relu": ("-", "o"), "tanh": ("--", "s")}[nonlinearity]
    reached = [r for r in trials if r["reached"]]
    stopped = [r for r in trials if not r["reached"]]
    axes.plot([r["epsilon"] for r in reached], [r["epochs"] for r in reached], line + mark, **look)
    axes.plot(
        [r["epsilon"] for r in stopped], [r["epochs"] for r in stopped], "^", mfc="white", **look
    )
