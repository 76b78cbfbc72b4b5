"""The GPU's product, convolutions and fully connected layers; their shapes are in verify/gpu."""

import numpy as np
import pytest
from test_layers import draw, walk

from minicnn import cuda
from minicnn.cuda import buffers, operands, product, settings, tiles
from minicnn.cuda.operands import MATRIX, matrix
from minicnn.cuda.product import Sizes
from minicnn.cuda.tiles import DOUBLE, LARGE, SMALL

three_layers = pytest.mark.parametrize(
    "name, shapes, options",
    [
        ("conv", [(2, 4, 4, 3), (2, 2, 3, 3)], {"stride": 2, "pad": 1, "groups": 2}),
        ("local", [(2, 2, 4, 3), (3, 2, 3, 2, 2, 2)], {"stride": 2, "pad": 1}),
        ("fc", [(3, 2, 3), (5, 6)], {}),
    ],
)


def host(arrays):
    return [cuda.to_host(array) for array in arrays]


# The layers.


@three_layers
def test_dx_is_left_out_where_nobody_needs_it(name, shapes, options):
    y, cache = getattr(cuda, f"{name}_forward")(*draw(shapes, np.float32), **options)
    backward = getattr(cuda, f"{name}_backward")
    dx, *grads = backward(y, cache, need_dx=False)
    assert dx is None
    assert_same_bits(grads, backward(y, cache)[1:])


@three_layers
def test_the_same_again_gives_the_same_bits_whatever_stood_in_memory(name, shapes, options):
    args = draw(shapes, np.float32)
    first = host(walk(cuda, name, args, options))
    for entries in buffers.kept.values():
        for memory, *_ in entries:
            if memory.dtype.kind == "f":  # not the tables of the windows, which are kept
                memory.copy_to_device(np.full(memory.size, np.nan, memory.dtype))
    assert_same_bits(first, host(walk(cuda, name, args, options)))


def test_a_nan_stays_in_its_image_its_windows_and_its_group():
    x, w, b = draw([(2, 2, 3, 5), (4, 1, 2, 2)], np.float32)
    clean = cuda.to_host(cuda.conv_forward(x, w, b, groups=2)[0])
    x[1, 0, 2, 4] = np.nan  # the last window of the last row holds it
    y = cuda.to_host(cuda.conv_forward(x, w, b, groups=2)[0])
    clean[1, :2, 1, 3] = np.nan
    np.testing.assert_array_equal(y, clean)


def test_a_nan_in_dy_comes_through():
    x, w, b = draw([(2, 2, 3, 4), (4, 1, 2, 2)], np.float32)
    y, cache = cuda.conv_forward(x, w, b, groups=2)
    dy = np.ones(y.shape, np.float32)
    dy[1, 3, 1, 0] = np.nan
    dx, dw, db = host(cuda.conv_backward(dy, cache))
    seen = np.zeros(x.shape, bool)
    seen[1, 1, 1:, :2] = True
    np.testing.assert_array_equal(np.isnan(dx), seen)
    np.testing.assert_array_equal(np.isnan(db), [False, False, False, True])
    assert np.isnan(dw[3]).all() and np.isfinite(dw[:3]).all()


@three_layers
def test_bad_arrays_get_one_sentence(name, shapes, options):
    x, w, b = draw(shapes, np.float32)
    forward, backward = getattr(cuda, f"{name}_forward"), getattr(cuda, f"{name}_backward")
    with pytest.raises(ValueError, match=f"{name}: b has shape"):
        forward(x, w, b[:1], **options)
    with pytest.raises(TypeError, match=f"{name}: x is float32, w is float64"):
        forward(x, w.astype(np.float64), b, **options)
    y, cache = forward(x, w, b, **options)
    with pytest.raises(ValueError, match=f"{name}: dy has shape"):
        backward(cuda.to_host(y)[:1], cache)


# The product.


@pytest.mark.parametrize("tile, dtype", [(LARGE, "f4"), (SMALL, "f4"), (DOUBLE, "f8")], ids=str)
@pytest.mark.parametrize("sizes", [(20, 36, 12), (5, 3, 7)])
@pytest.mark.parametrize("layout", ["rows", "depth"])
def test_the_tiled_kernel_is_the_plain_one_and_numpys(monkeypatch, tile, dtype, sizes, layout):
    # 20, 36, 12: multiples of 4, and everything is wide; 5, 3, 7: nothing is.
    monkeypatch.setattr(product, "tile_for", lambda rows, dtype: tile)
    rows, columns, depth = sizes
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((n, depth)).astype(dtype) for n in (rows, columns))
    a, b = (operand_of(array, layout) for array in (A, B))
    assert product.read_pattern(*a)[1:] == (layout, rows % 4 == 0)
    results = []
    for _ in range(2):
        out = cuda.to_device(np.full((rows, columns), np.nan, dtype))
        results.append((out, (MATRIX, matrix(out, rows, columns, columns, 1))))
    product.product(a, b, results[0][1], Sizes(*sizes))
    monkeypatch.setattr(settings, "plain", True)
    product.product(a, b, results[1][1], Sizes(*sizes))
    tiled, plain = host(out for out, _ in results)
    limits = {"f4": dict(rtol=1e-5, atol=1e-5), "f8": dict(rtol=1e-12, atol=1e-12)}[dtype]
    np.testing.assert_allclose(plain, A @ B.T, **limits)
    np.testing.assert_allclose(tiled, plain, **limits)


def operand_of(array, layout):
    """Return a (rows, depth) array as an operand that lies in memory along its rows, or depth."""
    rows, depth = array.shape
    if layout == "depth":
        return MATRIX, matrix(cuda.to_device(array), rows, depth, depth, 1)
    return MATRIX, matrix(cuda.to_device(array.T.copy()), rows, depth, 1, rows)


def test_the_example_in_operands(monkeypatch):
    monkeypatch.setattr(operands, "load4", lambda array, i: array.copy_to_host()[i : i + 4])
    images = cuda.to_device(np.arange(40.0).reshape(2, 1, 4, 5))
    found = operands.windows(images, 1, 2, 3, 3, 2, 1)
    row, depth, place = (function.py_func for function in operands.WINDOWS)
    assert tuple(row(found, 0, 4)) == (6, 1, 1) and tuple(depth(found, 0, 7)) == (11, 2, 1)
    assert tuple(row(found, 0, 0)) == (-6, -1, -1) and tuple(depth(found, 0, 2)) == (2, 0, 2)
    assert row(found, 0, 10)[0] == 6 + 20
    assert place(found, row(found, 0, 4), depth(found, 0, 7)) == 17
    assert place(found, row(found, 0, 0), depth(found, 0, 2)) == -1


@pytest.mark.parametrize("depth, parts", [(1, 1), (1200, 5)])
def test_a_long_sum_is_split_into_parts_that_add_up(depth, parts):
    rng = np.random.default_rng(0)
    A, B, bias = rng.standard_normal((3, depth)), rng.standard_normal((5, depth)), np.arange(5.0)
    assert product.parts_for(Sizes(3, 5, depth), DOUBLE) == parts
    a, b = operand_of(A, "depth"), operand_of(B, "depth")
    y = product.split_product(a, b, (3, 5), Sizes(3, 5, depth), bias=cuda.to_device(bias))
    np.testing.assert_allclose(cuda.to_host(y), A @ B.T + bias, rtol=1e-12, atol=1e-12)


def test_the_real_tiles_fit_their_threads_and_their_memory():
    for tile, size in [(LARGE, 4), (SMALL, 4), (DOUBLE, 8)]:
        threads = tiles.threads(tile)
        assert threads % 32 == 0 and threads <= 1024
        assert threads % tile.ROWS == 0 and threads % tile.COLUMNS == 0  # one row a thread
        assert tile.ROWS * tile.DEPTH % (4 * threads) == 0  # whole fours
        assert tile.COLUMNS * tile.DEPTH % (4 * threads) == 0
        lines = tile.ROWS + tile.COLUMNS + 2 * tiles.LINE_PADDING
        assert 2 * tile.DEPTH * lines * size <= 48 * 1024
        assert operands.WHOLE % tile.ROWS == operands.WHOLE % tile.COLUMNS == 0


def test_the_tile_that_wastes_fewest_rows_is_taken():
    float32 = np.dtype(np.float32)
    taken = {rows: product.tile_for(rows, float32).ROWS for rows in (48, 96, 128, 192, 384)}
    assert taken == {48: 64, 96: 128, 128: 128, 192: 64, 384: 128}


def assert_same_bits(found, expected):
    for a, b in zip(host(found), host(expected), strict=True):
        np.testing.assert_array_equal(a, b)
