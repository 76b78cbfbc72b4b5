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


def plan_of(options, before, validated):
    """Return the plan; that of a run that goes on stays, where the options say nothing.

    With `validated` there are validation images, whose error can stall.

    Raises ValueError for options that do not go together, or not with what is over.
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
    plan = changed(usual, options)
    if "stall" in plan and not validated:
        raise ValueError(f"--divide-on-stall, but {options.data} has no validation images")
    if kept is not None and plan != kept:
        done = before["epoch"]
        schedules.check_change(kept, plan, done)
        words = [schedules.in_words(one) for one in (plan, kept)]
        print(f"From epoch {done + 1} on, ε {words[0]}; until now, it {words[1]}.", file=sys.stderr)
    return plan


def changed(usual, options):
    """Return a plan with what the options say in the place of what was usual."""
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
