"""The default training options of a network, and its learning-rate schedule.

Both are in the network's row of NETWORKS.

    options    the Namespace of `train`
    before     the facts of the checkpoint of a run to resume; None for a new run
    plan       when ε is divided, as in schedules.py
"""

import sys

from ..networks import catalogue
from . import schedules


def complete(options, before):
    """Fill in the options that were not given; say if the run has done all epochs already.

    Raises ValueError if the network's recipe lacks one of them.
    """
    recipe = catalogue.find(options.network).recipe
    missing = [name for name in catalogue.PAPER if name not in recipe]
    if missing:
        raise ValueError(
            f"the recipe of {options.network} lacks {', '.join(missing)}: see PAPER in "
            "networks/catalogue.py"
        )
    if before and options.epsilon is None:  # the ε given when the run began, or changed by hand
        options.epsilon = before["first_epsilon"]
    if before:  # the run goes on with what it began with, also if an earlier version began it
        for name, value in (("decay", 0.0005), ("bias_epsilon", 1)):
            if getattr(options, name) is None:
                setattr(options, name, before["settings"].get(name, value))
    for name, value in recipe.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if before and before["epoch"] >= options.epochs:
        print(
            f"The run in {options.out} has done {before['epoch']} epochs, so --epochs "
            f"{options.epochs} adds none; name more to go on.",
            file=sys.stderr,
        )


def choose_plan(options, before, validated):
    """Return the plan that the options ask for, else the run's own, else the network's.

    `validated` says whether there are validation images, whose error can stall.

    Raises ValueError for options that contradict each other, or that change an epoch already over.
    """
    saved = before["settings"].get("schedule") if before else None  # an older run has none
    default = catalogue.find(options.network).schedule if saved is None else saved
    if saved is None and default and not validated:
        default = {}
        if not (options.divide_at or options.divide_on_stall):
            print(
                f"{options.data} has no validation images, whose error could stall, so ε stays "
                "as it is; --divide-at divides it after given epochs.",
                file=sys.stderr,
            )
    plan = apply_options(default, options)
    if "stall" in plan and not validated:
        raise ValueError(f"--divide-on-stall, but {options.data} has no validation images")
    if saved is None or plan == saved:
        return plan
    done = before["epoch"]
    for epoch in plan.get("at", ()):
        if epoch <= done and epoch not in saved.get("at", ()):
            raise ValueError(
                f"epoch {epoch} is over, and ε was not divided after it; a resumed run can only "
                f"divide ε after epochs from {done + 1} on"
            )
    now, until_now = schedules.describe(plan), schedules.describe(saved)
    print(f"From epoch {done + 1} on, ε {now}; until now, it {until_now}.", file=sys.stderr)
    return plan


def apply_options(default, options):
    """Return the default plan, changed as the options ask."""
    plan, by, times = dict(default), default.get("by", 10), default.get("times", 3)
    if options.divide_at:
        plan = {"at": sorted(set(options.divide_at)), "by": by}
    elif options.divide_on_stall:
        plan = {"stall": options.divide_on_stall, "by": by, "times": times}
    if options.divide_by is not None:
        if not plan:
            raise ValueError("--divide-by, but nothing says when: add --divide-at")
        plan["by"] = options.divide_by
    if options.divide_times is not None:
        if "stall" not in plan:
            raise ValueError("--divide-times is for --divide-on-stall, which is not in use here")
        plan["times"] = options.divide_times
    return plan
