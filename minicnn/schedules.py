"""When the learning rate ε is divided, and by how much (Section 5).

"The heuristic which we followed was to divide the learning rate by 10 when the validation error
rate stopped improving with the current learning rate.  The learning rate was initialized at 0.01
and reduced three times prior to termination."

    schedule   schedule(history, epsilon) is called after every epoch and returns the next ε
    plan       the same in plain values, as a checkpoint keeps it: {"at": [30, 60], "by": 10}, or
               {"stall": 5, "by": 10, "times": 3}, or {}: ε stays as it is
"""


def divide_at(epochs, by=10):
    """Return the schedule that divides ε by `by` after each of these epochs.

    Parameters
    ----------
    epochs : collection of int
        Counted from 1.
    by : float
    """
    return lambda history, epsilon: epsilon / by if history[-1]["epoch"] in epochs else epsilon


def divide_on_stall(patience=3, by=10, times=3):
    """Return the schedule that divides ε when the validation error stalls (Section 5).

    It stalls when its best value in the last `patience` epochs is no better than its best before
    them.  After a division it has `patience` epochs again.  The run needs validation data.

    Parameters
    ----------
    patience : int
        In epochs.
    by : float
    times : int
        At most so many divisions, changes of ε by hand among them; in the paper there were three.
    """

    def schedule(history, epsilon):
        errors = [line["validation_error"] for line in history]
        since = sum(line["epsilon"] == epsilon for line in history)  # epochs with this ε
        divisions = len({line["epsilon"] for line in history}) - 1
        if divisions >= times or since <= patience:
            return epsilon
        stalled = min(errors[-patience:]) >= min(errors[:-patience])
        return epsilon / by if stalled else epsilon

    return schedule


def of(plan):
    """Return the schedule of a plan; None if ε stays as it is."""
    if "at" in plan:
        return divide_at(plan["at"], plan["by"])
    if "stall" in plan:
        return divide_on_stall(plan["stall"], plan["by"], plan["times"])
    return None


def in_words(plan):
    """Return what becomes of ε, to follow "ε": "is divided by 10 after epochs 30, 60"."""
    if "at" in plan:
        return f"is divided by {plan['by']:g} after epochs {', '.join(map(str, plan['at']))}"
    if "stall" in plan:
        return (
            f"is divided by {plan['by']:g} when the validation error has not improved in "
            f"{plan['stall']} epochs, at most {plan['times']} times"
        )
    return "stays as it is"


def check_change(before, plan, done):
    """Raise ValueError if a run with one plan cannot go on with another after `done` epochs.

    It can, as ε itself can be changed by hand; but not what is over: an epoch in which ε was not
    divided.
    """
    missed = [n for n in plan.get("at", ()) if n <= done and n not in before.get("at", ())]
    if missed:
        raise ValueError(
            f"epoch {missed[0]} is over, and ε was not divided after it; a run that goes on can "
            f"only be told of epochs from {done + 1} on"
        )
