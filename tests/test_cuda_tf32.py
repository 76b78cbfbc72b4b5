"""The product on tensor cores."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_cuda_product import host, operand_of
from test_layers import draw, walk

from minicnn import cuda, errors, reference
from minicnn.cuda import gpu, product, settings, tf32, tiles
from minicnn.cuda.operands import MATRIX, matrix

ROUNDING = 2.0**-11  # of a number, at most


@pytest.fixture(autouse=True)
def on_tensor_cores(monkeypatch):
    monkeypatch.setattr(settings, "tf32", True)


def in_tf32(x):
    """Return x rounded as the manual says, written down another way: 11 bits, halves outward."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    scaled = 2**11 * mantissa
    return np.ldexp(np.trunc(scaled + np.copysign(0.5, scaled)) / 2**11, exponent)


def multiplied(A, B, layouts=("depth", "depth")):
    """Return A @ B.T as the tiled kernel computes it."""
    (rows, depth), columns = A.shape, len(B)
    a, b = (operand_of(q, layout) for q, layout in zip((A, B), layouts, strict=True))
    out = cuda.to_device(np.full((rows, columns), np.nan, A.dtype))
    target = MATRIX, matrix(out, rows, columns, columns, 1)
    product.product(a, b, target, product.Sizes(rows, columns, depth))
    return cuda.to_host(out)


@pytest.mark.parametrize("sizes, layouts", [
    ((64, 64, 8), ("depth", "rows")),  # a whole tile: each entry of every fragment counts
    ((5, 67, 11), ("rows", "depth")),  # two tiles, most of them empty, and some more depth
])  # fmt: skip
def test_every_entry_of_a_fragment_is_at_its_place(sizes, layouts):
    rows, columns, depth = sizes
    rng = np.random.default_rng(0)
    A = rng.integers(-9, 10, (rows, depth)).astype(np.float32)  # TF32 holds them, and their sums
    B = rng.integers(-9, 10, (columns, depth)).astype(np.float32)
    np.testing.assert_array_equal(multiplied(A, B, layouts), A @ B.T)


def test_the_error_is_that_of_rounded_operands():
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((n, 40)).astype(np.float32) for n in (5, 7))
    found, exact = multiplied(A, B), A.astype(np.float64) @ B.T.astype(np.float64)
    np.testing.assert_allclose(found, in_tf32(A) @ in_tf32(B).T, rtol=1e-5, atol=1e-5)
    off = np.abs(found - exact)
    products = np.abs(A) @ np.abs(B).T
    assert (off <= 2.01 * ROUNDING * products).all()  # whatever the numbers are
    relative = np.sqrt(np.mean(off**2) / np.mean(exact**2))
    assert 1e-4 < relative < 1e-3  # 2.9e-4 of longer sums of random numbers


def test_a_layer_is_the_references_but_for_rounding():
    args = draw([(1, 2, 3, 2), (3, 2, 2, 2)], np.float32)
    found, expected = host(walk(cuda, "conv", args, {})), walk(reference, "conv", args, {})
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-3 * np.abs(b).max())
    products = list(zip(found, expected, strict=True))[:3]  # y, dx, dw
    assert all(np.abs(a - b).max() > 1e-5 for a, b in products)  # TF32 was really at work


def test_float64_stays_as_it_is():
    A, B = (np.random.default_rng(0).standard_normal((n, 3)) for n in (4, 5))
    np.testing.assert_allclose(multiplied(A, B), A @ B.T, rtol=1e-12, atol=1e-12)


def test_a_nan_comes_through_and_stays_in_its_row():
    A, B = np.ones((3, 9), np.float32), np.ones((2, 9), np.float32)
    A[1, 8] = np.nan
    np.testing.assert_array_equal(multiplied(A, B), [[9, 9], [np.nan] * 2, [9, 9]])


def test_a_tile_that_warps_cannot_share_is_refused():
    with pytest.raises(ValueError, match="a warp computes 64×32"):
        tf32.tensor_core_functions(tiles.Tile(16, 16, 4, 4, 4), 20, 20)


def test_an_older_gpu_is_refused_in_one_sentence(monkeypatch):
    older = SimpleNamespace(compute_capability=(7, 5), reset=None)
    monkeypatch.setattr(gpu, "cuda", SimpleNamespace(gpus=[older]))
    settings.tf32 = False  # this any GPU can do
    with pytest.raises(errors.GpuError, match="TF32 needs .* 8.0 or more; GPU 0 has 7.5$"):
        settings.tf32 = True
    assert not settings.tf32


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError):
        settings.TF32 = True
