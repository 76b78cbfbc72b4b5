"""Arrays as heat maps, without steps: one picture, or several with a slider."""

import numpy as np

from . import page, terminal
from .values import Shot, look

PIXELS = 16384  # the most pixels of a matrix in a picture; maps may have more


class Picture:
    """Slides of arrays, {label: {name: array}}; made by `picture` and `slides`."""

    def __init__(self, slides):
        self._slides = {  # an array has one range of colours in all slides
            label: {
                name: look(np.asarray(array), lambda _, kin=name: kin, PIXELS, name=name)
                for name, array in arrays.items()
            }
            for label, arrays in slides.items()
        }

    def _repr_html_(self):
        return page.slides_html(self._slides)

    def show(self, pause=None):
        """Print the arrays, in colour where the output supports it.

        Pause after each slide, and where the next row of arrays would push one off the screen.
        """
        colour, last = terminal.has_colour(), [*self._slides][-1]
        for label in self._slides:
            used = 0
            for n, row in enumerate(self._rows(label, colour)):
                if pause and used and used + len(row) > terminal.height() + 2:
                    if pause("[Enter] show more   [q] stop   ") == "q":
                        return
                    used = 0
                print("\n".join([""] * bool(n) + row))
                used += len(row) + 1
            if pause and label != last and pause("[Enter] next slide   [q] stop   ") == "q":
                return

    def _rows(self, label, colour=False):
        """Return the rows of arrays of a slide, each as lines."""
        width, blocks = terminal.width_of(colour), []
        for name, shot in self._slides[label].items():
            blocks.append(terminal.array(name, shot, colour, indent=""))
            blocks[-1] += [] if colour else terminal.shades(shot, width)
        first, *rows = terminal.rows_of(blocks, width) or [[]]
        return [[label] * bool(label) + first, *rows]

    def __str__(self):
        slides = [["\n".join(row) for row in self._rows(label)] for label in self._slides]
        return "\n".join(map("\n\n".join, slides))

    __repr__ = __str__


def picture(*nameless, **arrays):
    """Return a picture of arrays: picture(x=x, y=y).

    An array with negative entries is drawn in blue, white and red, with white at 0.  Photographs,
    (…, 3, H, W) with whole numbers to 255, are drawn in colour, and so are photographs minus a mean
    that are called x: 0 becomes mid grey.  Any other array is grey, from black at 0 to white at the
    largest entry.  Small arrays show their numbers.

    Parameters
    ----------
    **arrays : arrays
        The last two axes are a map; an array with more axes has several maps.

    Raises
    ------
    TypeError
        If an argument is not an array of numbers, or has no name.
    """
    if nameless:
        raise TypeError("picture: an array has no name to print above it; write picture(x=x)")
    check("picture", arrays)
    return Picture({"": arrays})


def slides(pictures):
    """Return pictures of the same arrays with a slider: slides({"epoch 1": {"w": w}, …}).

    Parameters
    ----------
    pictures : dict
        The arrays of each slide, {name: array}, by its label; see `picture`.

    Raises
    ------
    TypeError
        If a value is not an array of numbers.
    ValueError
        If there is no slide, or their arrays have different names or shapes.
    """
    for arrays in pictures.values():
        check("slides", arrays)
    shapes = [{name: np.shape(a) for name, a in arrays.items()} for arrays in pictures.values()]
    if not shapes or any(shape != shapes[0] for shape in shapes):
        raise ValueError("slides: expected the same arrays in each slide, and at least one slide")
    return Picture(pictures)


def check(function, arrays):
    for name, array in arrays.items():
        if not isinstance(look(np.asarray(array)), Shot):
            raise TypeError(
                f"{function}: {name} is a {type(array).__name__}; expected an array of numbers"
            )
