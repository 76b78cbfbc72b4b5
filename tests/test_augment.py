"""Views and batches: by hand on tiny images, and the same whoever makes them."""

import threading
import time
from functools import partial

import numpy as np
import pytest

from minicnn import data
from minicnn.data import Batches, augment

EIGEN = np.array([9000.0, 700.0, 40.0]), np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2)[0]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (6, 3, 5, 7), dtype=np.uint8)


@pytest.fixture
def mean(rng):
    return (255 * rng.random((3, 5, 7))).astype(np.float32)


def test_a_patch_is_cut_mirrored_and_loses_the_mean_of_its_own_place():
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    mean = np.zeros((3, 4, 4))
    mean[1, 3, 2] = 0.5
    x = augment.patches(images, mean, 2, [2, 0], [1, 2], [False, True])
    assert x.dtype == np.float32 and x.shape == (2, 3, 2, 2)
    assert x[0, 0].tolist() == [[9, 10], [13, 14]]
    assert x[0, 1].tolist() == [[25, 26], [29, 29.5]]  # 30 less its mean
    assert x[1, 2].tolist() == [[48 + 32 + 3, 48 + 32 + 2], [48 + 32 + 7, 48 + 32 + 6]]


def test_dark_pixels_become_negative_not_large():
    images = np.zeros((1, 3, 2, 2), np.uint8)
    x = augment.central_views(images, np.full((3, 1, 1), 100.0), 2)
    assert (x == -100).all()


def test_random_views_are_patches_of_image_minus_mean(images, mean, rng):
    full = images - mean
    x = augment.random_views(images, mean, 4, rng)
    for view, image in zip(x, full, strict=True):
        places = [image[:, i : i + 4, j : j + 4] for i in range(2) for j in range(4)]
        assert any(np.array_equal(view, p) or np.array_equal(view, p[:, :, ::-1]) for p in places)


def test_every_place_and_flip_comes_about_as_often_and_each_image_has_its_own(rng):
    numbers = np.arange(5 * 7, dtype=np.uint8).reshape(1, 1, 5, 7)
    images = np.repeat(numbers, 5000, axis=0)
    x = augment.random_views(images, np.zeros((1, 1, 1)), 4, rng)
    corners = x[:, 0, 0, [0, -1]].min(axis=1)
    flips = x[:, 0, 0, 0] > x[:, 0, 0, -1]
    views, counts = np.unique(np.stack([corners, flips]), axis=1, return_counts=True)
    assert views.shape[1] == 2 * 4 * 2  # 2 rows, 4 columns, with reflections
    assert counts.min() > 200 and counts.max() < 430  # around 312
    assert (np.diff(corners[:32]) != 0).any()


def test_the_full_size_leaves_only_the_flip(rng):
    images = rng.integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)
    x = augment.random_views(images, np.zeros((3, 1, 1)), 4, rng)
    assert all(
        np.array_equal(v, i) or np.array_equal(v, i[:, :, ::-1])
        for v, i in zip(x, images, strict=True)
    )


def test_rescaled_patches_show_more_of_the_image_the_smaller_its_scale(rng):
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8) * 4, (40, 3, 60, 60))  # left to right
    mean = np.zeros((3, 60, 60), np.float32)
    x = augment.random_views(ramp, mean, 20, rng, least=30)
    slopes = np.diff(x[:, 0, 10], axis=1).mean(axis=1)  # 4 a pixel at full scale, 8 at half of it
    assert x.shape == (40, 3, 20, 20) and x.dtype == np.float32
    assert np.abs(slopes).min() < 4.7 and np.abs(slopes).max() > 7.3
    assert 3.9 < np.abs(slopes).min() and np.abs(slopes).max() < 8.1
    assert (slopes > 0).any() and (slopes < 0).any()  # mirrored
    assert len({v[0, 0, 0] for v in x}) > 30  # each from a place of its own


def test_rescaling_to_the_full_width_is_a_patch_of_image_minus_mean(images, mean, rng):
    W = images.shape[3]
    square, square_mean = images[:, :, :W, :W], mean[:, :W, :W]
    side = min(square.shape[2:])
    square, square_mean = square[:, :, :side, :side], square_mean[:, :side, :side]
    x = augment.random_views(square, square_mean, side, rng, least=side)
    for view, whole in zip(x, square - square_mean, strict=True):
        same, mirrored = (np.allclose(view, w, atol=1e-3) for w in (whole, whole[:, :, ::-1]))
        assert same or mirrored


def test_a_scale_that_does_not_fit_is_refused(rng):
    images, mean = np.zeros((2, 3, 9, 9), np.uint8), np.zeros((3, 9, 9), np.float32)
    for least in (4, 10):
        with pytest.raises(ValueError, match=f"least is {least}; expected 5 … 9"):
            augment.random_views(images, mean, 5, rng, least=least)
    with pytest.raises(ValueError, match="square images, not 9×8"):
        augment.random_views(images[..., :8], mean[..., :8], 5, rng, least=6)


def test_colour_noise_is_the_papers_formula(rng):
    values, p = EIGEN
    noise = augment.colour_noise(values, p, 4, np.random.default_rng(1))
    alpha = np.random.default_rng(1).normal(0, 0.1, (4, 3))
    for n in range(4):
        by_hand = p @ [alpha[n, i] * values[i] / 255 for i in range(3)]
        assert noise[n] == pytest.approx(by_hand, rel=1e-6)
    assert noise.dtype == np.float32 and noise.shape == (4, 3)


@pytest.mark.parametrize(
    "magnitude, spread", [("eigenvalues", 9000 / 255), ("deviations", 9000**0.5)]
)
def test_colour_noise_is_as_large_as_it_says_along_each_component(rng, magnitude, spread):
    values, p = EIGEN
    noise = augment.colour_noise(values, p, 20_000, rng, sigma=0.3, magnitude=magnitude)
    along = noise @ p  # how far along p1, p2, p3
    assert along[:, 0].std() == pytest.approx(0.3 * spread, rel=0.03)
    ratio = along[:, 1].std() / along[:, 0].std()
    assert ratio == pytest.approx(
        7 / 90 if magnitude == "eigenvalues" else (7 / 90) ** 0.5, rel=0.05
    )
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.03


def test_the_noise_does_not_depend_on_the_unit_of_the_pixels(rng):
    """On 0 … 1 the eigenvalues are 255² times smaller and the noise 255 times."""
    values, p = EIGEN
    alpha = np.random.default_rng(2).normal(0, 0.1, (5, 3))
    on_unit_scale = (alpha * (values / 255**2)) @ p.T
    noise = augment.colour_noise(values, p, 5, np.random.default_rng(2))
    assert np.allclose(noise, 255 * on_unit_scale, rtol=1e-5)


def test_one_shift_a_colour_for_all_pixels_of_an_image_and_another_for_the_next(images, mean):
    plain = augment.random_views(images, mean, 3, np.random.default_rng(3))
    noisy = augment.random_views(images, mean, 3, np.random.default_rng(3), EIGEN)
    shift = noisy - plain
    assert np.ptp(shift, axis=(2, 3)).max() < 1e-3
    assert len(np.unique(np.round(shift[:, :, 0, 0], 3))) == 18


def test_an_unknown_magnitude_is_refused(rng):
    with pytest.raises(ValueError, match="magnitude is 'roots'; expected 'eigenvalues' or"):
        augment.colour_noise(*EIGEN, 2, rng, magnitude="roots")


def test_the_ten_views_are_corners_and_centre_with_reflections():
    image = np.arange(25, dtype=np.uint8).reshape(1, 1, 5, 5)
    views = list(augment.ten_views(image, np.zeros((1, 5, 5)), 3))
    assert [int(v[0, 0, 0, 0]) for v in views[:5]] == [0, 2, 10, 12, 6]
    assert views[4][0, 0].tolist() == [[6, 7, 8], [11, 12, 13], [16, 17, 18]]
    for view, mirror in zip(views[:5], views[5:], strict=True):
        assert np.array_equal(mirror, view[:, :, :, ::-1])
    assert len(views) == 10 and views[9].dtype == np.float32
    assert np.array_equal(augment.central_views(image, np.zeros((1, 5, 5)), 3), views[4])


def test_the_fifty_views_are_a_regular_grid_with_reflections():
    image = np.arange(13 * 11, dtype=np.uint8).reshape(1, 1, 13, 11)
    views = list(augment.fifty_views(image, np.zeros((1, 13, 11)), 5))
    tops, lefts = [0, 2, 4, 6, 8], [0, 1, 3, 4, 6]  # 8 and 6 pixels of room
    expected = [11 * top + left for top in tops for left in lefts]
    assert [int(v[0, 0, 0, 0]) for v in views[:25]] == expected
    for view, mirror in zip(views[:25], views[25:], strict=True):
        assert np.array_equal(mirror, view[:, :, :, ::-1]) and mirror.shape == (1, 1, 5, 5)


def test_the_views_of_cifar_are_the_same_functions(rng, sample):
    few = data.subset(sample, 20)
    x = augment.random_views(few.train_x, few.mean, 24, rng, few[-2:])
    assert x.shape == (20, 3, 24, 24) and x.dtype == np.float32
    centre = (few.train_x - few.mean)[:, :, 4:28, 4:28]
    assert np.array_equal(augment.central_views(few.train_x, few.mean, 24), centre)


def test_images_are_left_as_they_were(images, mean, rng):
    before = images.copy(), mean.copy()
    augment.random_views(images, mean, 4, rng, EIGEN)
    list(augment.ten_views(images, mean, 4))
    assert np.array_equal(images, before[0]) and np.array_equal(mean, before[1])


@pytest.mark.parametrize("view", [augment.central_views, augment.random_views])
def test_what_does_not_fit_gets_one_sentence(images, mean, rng, view):
    options = {"rng": rng} if view is augment.random_views else {}
    for size in (0, 6):
        with pytest.raises(ValueError, match=f"size is {size}; expected 1 … 5 for images of 5×7"):
            view(images, mean, size, **options)
    with pytest.raises(ValueError, match=r"mean has shape \(5, 7\); expected \(3, 5, 7\), or"):
        view(images, mean[0], 4, **options)
    with pytest.raises(ValueError, match=r"images has shape \(3, 5, 7\); expected four axes"):
        view(images[0], mean, 4, **options)
    with pytest.raises(ValueError, match="size is 9"):
        list(augment.ten_views(images, mean, 9))


# Batches


def batches(images, order, mean=0.0, batch=4, **options):
    view = partial(augment.random_views, mean=np.full((3, 1, 1), mean), size=3, eigen=EIGEN)
    labels = np.arange(100, 100 + len(images))
    return Batches(images, labels, order, batch, view, **{"seed": 7, "epoch": 2} | options)


@pytest.fixture
def many(rng):
    return rng.integers(0, 256, (30, 3, 5, 5), dtype=np.uint8)


def test_batches_come_in_order_and_the_last_may_be_smaller(many, rng):
    order = rng.permutation(30)
    made = list(batches(many, order))
    assert [len(x) for x, y in made] == [4] * 7 + [2]
    assert np.concatenate([y for x, y in made]).tolist() == (100 + order).tolist()
    third = augment.random_views(
        many[order[8:12]], np.zeros((3, 1, 1)), 3, np.random.default_rng([7, 2, 2]), EIGEN
    )
    assert np.array_equal(made[2][0], third)


@pytest.mark.parametrize("workers, ahead", [(1, 1), (2, None), (3, 1), (3, 20)])
def test_any_number_of_workers_makes_the_same_batches(many, rng, workers, ahead):
    order = rng.permutation(30)
    one = list(batches(many, order))
    more = list(batches(many, order, workers=workers, ahead=ahead))
    for (x, y), (x_2, y_2) in zip(one, more, strict=True):
        assert np.array_equal(x, x_2) and np.array_equal(y, y_2)


def test_a_run_that_goes_on_gets_the_same_batches(many, rng):
    order = rng.permutation(30)
    one, rest = list(batches(many, order)), batches(many, order, first_step=5)
    assert len(rest) == 3 and len(batches(many, order)) == 8
    for (x, y), (x_2, y_2) in zip(one[5:], rest, strict=True):
        assert np.array_equal(x, x_2) and np.array_equal(y, y_2)
    assert list(batches(many, order, first_step=8)) == []
    other = next(iter(batches(many, order, epoch=3)))
    assert not np.array_equal(other[0], one[0][0])


def test_the_next_batches_are_made_while_one_is_in_use_but_not_too_many(many):
    made, release = [], threading.Semaphore(0)

    def view(images, rng):
        made.append(len(images))
        release.release()
        return images

    run = iter(Batches(many, many, np.arange(30), 3, view, seed=0, epoch=0, workers=2, ahead=3))
    next(run)
    for _ in range(4):  # the one in use, and three ahead; they come although nobody asks
        assert release.acquire(timeout=20)
    time.sleep(0.05)
    assert len(made) == 4
    run.close()


def test_the_time_that_the_consumer_waited_is_counted(many):
    gate = threading.Event()

    def view(images, rng):
        gate.wait(20)
        return images

    made = Batches(many, many, np.arange(30), 30, view, seed=0, epoch=0)
    assert made.waited == 0
    threading.Timer(0.05, gate.set).start()
    list(made)
    assert 0.03 < made.waited < 20


def test_an_error_in_a_thread_reaches_the_consumer_as_it_is(many):
    error = ZeroDivisionError("in step two")

    def view(images, rng):
        if images[0, 0, 0, 0] == many[8, 0, 0, 0]:
            raise error
        return images

    many[:, 0, 0, 0] = np.arange(30)
    run = iter(Batches(many, many, np.arange(30), 4, view, seed=0, epoch=0, workers=2))
    next(run), next(run)
    with pytest.raises(ZeroDivisionError) as raised:
        next(run)
    assert raised.value is error
    assert threads() == 0


def threads():
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


def test_threads_end_when_the_loop_is_left(many):
    for _ in batches(many, np.arange(30), workers=2):
        break
    assert threads() == 0
    with pytest.raises(KeyError):
        for _ in batches(many, np.arange(30), workers=2):
            assert threads() > 0
            raise KeyError
    assert threads() == 0
    list(batches(many, np.arange(30), workers=2))
    assert threads() == 0


@pytest.mark.parametrize("name", ["batch", "workers", "ahead"])
def test_a_number_that_is_too_small_is_refused(many, name):
    with pytest.raises(ValueError, match=f"{name} = 0; expected a whole number of at least 1"):
        batches(many, np.arange(30), **{name: 0})


def test_images_and_labels_must_be_as_many(many):
    with pytest.raises(ValueError, match="there are 30 images but 29 labels"):
        Batches(many, np.zeros(29), np.arange(30), 4, None, seed=0, epoch=0)


@pytest.mark.parametrize(
    "order, telling",
    [
        ([0, 30], "order runs from 0 to 30; expected 0 … 29 for 30 images"),
        ([-1, 3], "order runs from -1 to 3; expected 0 … 29"),
        ([0.0, 1.0], r"order is float64 of shape \(2,\); expected a one-dimensional array of int"),
        ([[0, 1]], r"order is int64 of shape \(1, 2\)"),
        ([True] * 30, "order is bool"),
    ],
)
def test_an_order_of_images_that_are_not_there_is_refused(many, order, telling):
    with pytest.raises(ValueError, match=telling):
        batches(many, np.array(order))


def test_a_batch_of_few_bits_does_not_overflow(many):
    made = list(batches(many[[0] * 300], np.arange(300), batch=np.uint8(100)))
    assert [len(x) for x, _ in made] == [100] * 3


def test_a_view_that_loses_an_image_is_refused(many):
    made = Batches(many, many, np.arange(30), 6, lambda x, rng: x[1:], seed=0, epoch=0)
    with pytest.raises(ValueError, match="Batches: view returned 5 images for 6"):
        list(made)


def test_prepared_photographs_make_batches(tmp_path, rng):
    from PIL import Image

    for i in range(80):
        folder = tmp_path / "photographs" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8), (i, 2 * i, 255 - i)).save(folder / f"{i:02}.png")
    data.prepare_photos(tmp_path / "photographs", tmp_path / "out", 6, workers=1, progress=False)
    photos = data.load_photos(tmp_path / "out")
    view = partial(augment.random_views, mean=photos.mean, size=4)
    order = rng.permutation(72)
    made = Batches(photos.train_x, photos.train_y, order, 20, view, seed=1, epoch=0, workers=2)
    x = np.concatenate([x for x, y in made])
    assert x.shape == (72, 3, 4, 4)
    flat = photos.train_x[order][:, :, 0, 0] - photos.mean[:, 0, 0]  # each image has one colour
    assert np.allclose(x, flat[:, :, None, None], atol=1e-4)
