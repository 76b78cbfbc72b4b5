"""The number of windows that fit along one axis of an image.

    H          pixels along the axis
    f, stride  size of a window, and the distance between their starts; in pooling z and s
    pad        zeros added at each end

A square window has the same f, stride and pad along both axes, so one function serves both.
"""


def out_size(H, f, stride=1, pad=0, ceil_mode=False):
    """Return 1 + floor((H + 2·pad − f) / stride), or with ceil_mode 1 + ceil(…).

    The original code of 2012 rounds up: AlexNet's first layer, with 11×11 windows 4 pixels apart
    on 224 pixels, then has 55 outputs, as the paper says, and its last windows extend past the far
    edge by 3 pixels.  Rounding down gives 54.

    Raises ValueError if not even one window fits.  (With ceil_mode a window may be up to stride − 1
    pixels too large: it extends past the far edge.)
    """
    span = H + 2 * pad - f  # from the first window's start to the last possible one
    steps = -(-span // stride) if ceil_mode else span // stride
    if steps < 0:
        raise ValueError(
            f"a window of size {f} does not fit: the input has {H} pixels and {pad} of padding at "
            f"each end; use a window of at most {H + 2 * pad}, or more padding"
        )
    return 1 + steps


def pool_size(H, z, s, ceil_mode=False):
    """Return out_size without padding, for pooling with z×z windows that start s apart.

    With ceil_mode and s > z, a last window could start past the last pixel; it is left out.
    """
    size = out_size(H, z, s, 0, ceil_mode)
    return size - 1 if (size - 1) * s >= H else size
