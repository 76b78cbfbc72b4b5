"""A progress bar for what may take a while: on a terminal, once it has taken a second."""

DELAY = 1  # seconds; what is done by then needs no bar


def bar(total, title, unit=" images"):
    """Return a bar that vanishes when it is done: `with bar(…) as one: one.update(3)`.

    Parameters
    ----------
    total : int
        How many there are to come.
    title : str or None
        What stands before it; with None it is never shown.
    unit : str
        What is counted.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=title,
        unit=unit,
        unit_scale=True,
        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {rate_fmt}, {remaining} left",
        delay=DELAY,
        leave=False,
        disable=True if title is None else None,  # None: unless stderr is a terminal
    )
