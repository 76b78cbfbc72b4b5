"""The default training options of a network, and its learning-rate schedule.

Both stand in the network's row of NETWORKS.

    options    the Namespace of `train`
    before     what a run that goes on has kept: the facts of its checkpoint; None for a new run
    plan       when ε is divided, as schedules.py has it
"""

import sys

from ..networks import catalogue
from . import schedules


def complete(options, before):
    """Fill in the options that were not given."""
    if before and options.epsilon is None:  # what the run was begun with, or changed to, by hand
        options.epsilon = before["first_epsilon"]
    for name, value in catalogue.find(options.network).recipe.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def choose_plan(options, before, validated):
    """Return the plan that the options ask for, else the run's own, else the network's.

    With `validated` there are validation images, whose error can stall.

    Raises ValueError for options that do not go together, or that come too late for an epoch.
    """
    kept = before["settings"].get("schedule") if before else None  # an older run does not say
    usual = catalogue.find(options.network).schedule if kept is None else kept
    if kept is None and usual and not validated:
        usual = {}
        if not (options.divide_at or options.divide_on_stall):
            print(
                f"{options.data} has no validation images, whose error could stall: ε stays as it "
                "is (--divide-at says after which epochs it falls).",
                file=sys.stderr,
            )
    plan = apply_options(usual, options)
    if "stall" in plan and not validated:
        raise ValueError(f"--divide-on-stall, but {options.data} has no validation images")
    if kept is None or plan == kept:
        return plan
    done = before["epoch"]
    for epoch in plan.get("at", ()):
        if epoch <= done and epoch not in kept.get("at", ()):
            raise ValueError(
                f"epoch {epoch} is over, and ε was not divided after it; a run that goes on can "
                f"only be told of epochs from {done + 1} on"
            )
    now, until_now = schedules.describe(plan), schedules.describe(kept)
    print(f"From epoch {done + 1} on, ε {now}; until now, it {until_now}.", file=sys.stderr)
    return plan


def apply_options(usual, options):
    """Return the usual plan with what the options say instead."""
    plan, by, times = dict(usual), usual.get("by", 10), usual.get("times", 3)
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
