"""Learning-rate schedules: when ε is divided, and by how much (Section 5).

"The heuristic which we followed was to divide the learning rate by 10 when the validation error
rate stopped improving with the current learning rate.  The learning rate was initialized at 0.01
and reduced three times prior to termination."

    schedule   schedule(history, epsilon) is called after every epoch and returns the next ε
    plan       a schedule in plain values, as a checkpoint stores it: {"at": [30, 60], "by": 10},
               {"stall": 5, "by": 10, "times": 3}, or {} if ε stays as it is
"""

from math import isclose

from ..checks import check_number, check_whole
from ..storage import shortened


def divide_at(epochs, by=10):
    """Return the schedule that divides ε by `by` after each of these epochs.

    Parameters
    ----------
    epochs : collection of int
        Counted from 1.
    by : float

    Raises
    ------
    TypeError, ValueError
        If an epoch is not a whole number of at least 1, or `by` is not a number above 1.
    """
    if not hasattr(epochs, "__iter__") or isinstance(epochs, str):
        raise TypeError(f"divide_at: epochs = {epochs!r}; expected several, e.g. [30, 60]")
    epochs = {check_whole("divide_at", "epochs", epoch, 1) for epoch in epochs}
    check_by("divide_at", by)
    return lambda history, epsilon: epsilon / by if history[-1]["epoch"] in epochs else epsilon


def divide_on_stall(patience=3, by=10, times=3):
    """Return the schedule that divides ε when the validation error stalls (Section 5).

    It stalls when its best value in the last `patience` epochs is no better than its best before
    them.  After each division it has `patience` epochs again.  The run needs validation data.

    Parameters
    ----------
    patience : int
        In epochs.
    by : float
    times : int
        At most this many divisions, including changes of ε by hand; the paper made three.

    Raises
    ------
    ValueError
        If patience is below 1, `by` is not a number above 1, or times is below 0.  The schedule
        itself raises it if the epoch has no validation error.
    """
    check_whole("divide_on_stall", "patience", patience, 1)
    check_whole("divide_on_stall", "times", times, 0)
    check_by("divide_on_stall", by)

    def schedule(history, epsilon):
        if history[-1].get("validation_error") is None:
            raise ValueError("divide_on_stall: there is no validation error; give validation data")
        epochs = [line for line in history if counts(line)]
        errors = [line["validation_error"] for line in epochs]
        epsilons = [*(line["epsilon"] for line in epochs), epsilon]
        changes = [i for i in range(1, len(epsilons)) if not isclose(*epsilons[i - 1 : i + 1])]
        since = len(epochs) - max(changes, default=0)  # epochs with this ε
        if len(changes) >= times or since < patience or len(epochs) == patience:
            return epsilon
        stalled = min(errors[-patience:]) >= min(errors[:-patience])
        return epsilon / by if stalled else epsilon

    schedule.needs_validation = True
    return schedule


def counts(line):
    """Return whether a line of a history is a whole epoch with a validation error."""
    whole = line.get("epoch", 0) % 1 == 0  # else the run stopped within it, and was resumed later
    return whole and line.get("validation_error") is not None


def check_by(who, by):
    """Raise ValueError or TypeError unless ε becomes smaller when it is divided by `by`."""
    if not check_number(who, "by", by) > 1:
        raise ValueError(f"{who}: by = {by}; expected a number above 1")


def schedule_from(plan):
    """Return the schedule of a plan; None if ε stays as it is."""
    if "at" in plan:
        return divide_at(plan["at"], plan["by"])
    if "stall" in plan:
        return divide_on_stall(plan["stall"], plan["by"], plan["times"])
    return None


def wrong_plan(plan):
    """Return why a value from a file is no plan, in words, or ""."""
    keys = ({"at", "by"}, {"stall", "by", "times"}, set())
    if not isinstance(plan, dict) or plan.keys() not in keys:
        return f"schedule is {shortened(plan)}; expected a plan"
    try:
        schedule_from(plan)
    except (TypeError, ValueError) as error:
        return f"schedule is {shortened(plan)}: {error}"
    return ""


def describe(plan):
    """Return the plan as a predicate of ε: "is divided by 10 after epochs 30, 60"."""
    if "at" in plan:
        return f"is divided by {plan['by']:g} after epochs {', '.join(map(str, plan['at']))}"
    if "stall" in plan:
        return (
            f"is divided by {plan['by']:g} when the validation error has not improved in "
            f"{plan['stall']} epochs, at most {plan['times']} times"
        )
    return "stays as it is"
