"""Pictures of what a network has learned and sees, and the search for the nearest images."""

import itertools
import warnings

import numpy as np
import pytest
from PIL import Image

from minicnn import net, reference
from minicnn.experiments import neighbours
from minicnn.networks import catalogue
from minicnn.plots import curves, fonts, gallery

RNG = np.random.default_rng(0)


def images(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def colours(path):
    """Return the pixels of a picture, each once, as a set of (red, green, blue)."""
    return set(map(tuple, np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).tolist()))


# The nearest images.


def test_the_nearest_vectors_come_first_and_the_first_of_equals_before_the_other():
    base = np.array([[0, 0], [3, 4], [1, 0], [0, 1], [-1, -1]])
    queries = np.array([[0, 0], [2, 4]])
    found = neighbours.nearest(queries, base, 3)
    np.testing.assert_array_equal(found, [[0, 2, 3], [1, 3, 2]])


def test_the_search_agrees_with_the_distances_themselves():
    queries, base = RNG.standard_normal((7, 3, 5)), RNG.standard_normal((40, 3, 5))
    distances = np.sqrt(((queries[:, None] - base[None]) ** 2).sum(axis=(2, 3)))
    found = neighbours.nearest(queries, base, 6)
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1)[:, :6])


def test_more_vectors_than_fit_into_memory_are_searched_all(monkeypatch):
    queries, base = RNG.standard_normal((10, 4)), RNG.integers(0, 3, (19, 4))  # with equal ones
    whole = neighbours.nearest(queries, base, 5)
    monkeypatch.setattr(neighbours, "MEMORY", 3 * 4 * 8)
    np.testing.assert_array_equal(neighbours.nearest(queries, base, 5), whole)


def test_whole_pixels_do_not_overflow():
    base = np.array([[255, 255], [0, 0]], np.uint8)
    assert neighbours.nearest(np.array([[250, 250]], np.uint8), base, 1) == 0


def test_agreement_is_the_share_of_neighbours_of_the_querys_class():
    found = np.array([[0, 1, 2], [2, 3, 0]])
    base_labels, query_labels = np.array([5, 5, 7, 8]), np.array([5, 7])
    assert neighbours.agreement(query_labels, base_labels, found) == pytest.approx(3 / 6)


def test_vectors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="queries have 3 numbers each but base has 4"):
        neighbours.nearest(np.ones((2, 3)), np.ones((5, 4)), 1)
    for k in (0, 6):
        with pytest.raises(ValueError, match=f"k = {k}; expected 1 … 5"):
            neighbours.nearest(np.ones((2, 3)), np.ones((5, 3)), k)


# Pictures.


def test_tiles_lie_side_by_side_with_a_white_pixel_between_them():
    tiles = [np.full((2, 3, 3), value) for value in (0.1, 0.2, 0.3)]
    picture = gallery.sheet(tiles, per_row=2)
    assert picture.shape == (5, 7, 3)
    assert (picture[:2, :3] == 0.1).all() and (picture[:2, 4:] == 0.2).all()
    assert (picture[3:, :3] == 0.3).all()
    assert (picture[2] == 1).all() and (picture[:, 3] == 1).all() and (picture[3:, 4:] == 1).all()


def test_a_kernel_keeps_zero_in_the_middle_and_fills_the_range():
    kernel = np.array([[[0.0, 4.0]], [[-2.0, 0.0]], [[0.0, -4.0]]])  # (3, 1, 2)
    np.testing.assert_allclose(gallery.as_picture(kernel), [[[0.5, 0.25, 0.5], [1, 0.5, 0]]])
    assert (gallery.as_picture(np.zeros((3, 2, 2))) == 0.5).all()


def test_a_map_goes_from_black_to_white():
    grey = gallery.as_grey(np.array([[3.0, 5.0], [4.0, 3.0]]))
    np.testing.assert_allclose(grey[:, :, 1], [[0, 1], [0.5, 0]])
    assert (gallery.as_grey(np.full((2, 2), 7.0)) == 0).all()


def test_figure_3_shows_the_colours_of_its_kernels(tmp_path):
    red = np.zeros((2, 3, 5, 5))
    red[:, 0] = 1
    gallery.figure3([red, -red], tmp_path / "3.png")
    assert {(255, 127, 127), (0, 127, 127)} <= colours(tmp_path / "3.png")
    with pytest.raises(ValueError, match=r"kernels have shape \(2, 4, 3, 3\)"):
        gallery.figure3([np.ones((2, 4, 3, 3))], tmp_path / "no.png")


def test_the_right_class_is_red_and_only_where_it_is_known(tmp_path):
    def reddish(path):
        return any(red > 200 and 90 < green < 150 and 90 < blue < 150 for red, green, blue in path)

    pictures = np.zeros((2, 3, 4, 6), np.uint8)
    probabilities = np.full((2, 3), 1 / 3)
    classes = ("ant", "a$b_$c", "cat")  # no formula
    gallery.figure4_bars(pictures, np.array([2] * 2), probabilities, classes, tmp_path / "a.png")
    gallery.figure4_bars(pictures, None, probabilities, classes, tmp_path / "b.png")
    assert reddish(colours(tmp_path / "a.png")) and not reddish(colours(tmp_path / "b.png"))


def test_letters_are_taken_from_the_first_font_that_has_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fonts, "COMMON_FONTS", ("No Such Font", "cmr10", "STIXGeneral"))
    names, families = fonts.drawable(["größe", "собака", "の"])  # only STIXGeneral has の here
    assert names == ["größe", "собака", "の"]
    assert families[-1] == "STIXGeneral" and len(families) == 2
    pictures, probabilities = np.zeros((1, 3, 4, 6), np.uint8), np.array([[0.7, 0.3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where a font lacks a letter
        gallery.figure4_bars(pictures, None, probabilities, ("の", "b"), tmp_path / "a.png")
    gallery.figure4_bars(pictures, None, probabilities, ("b", "b"), tmp_path / "b.png")
    assert not np.array_equal(*(np.asarray(Image.open(tmp_path / f"{n}.png")) for n in "ab"))
    assert capsys.readouterr().err == ""


def test_a_name_that_no_font_can_write_becomes_a_number_and_that_is_said_once(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(fonts, "COMMON_FONTS", ())
    classes = ["cat", "\U0001f408\U000f1234"] + [f"猫{k}" for k in range(2, 9)]  # one of no script
    pictures = np.zeros((2, 3, 4, 6), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities = np.full((2, 9), 1 / 9)
        gallery.figure4_bars(pictures, np.array([1, 8]), probabilities, classes, tmp_path / "a.png")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "class 2 for 猫2, class 3 for 猫3" in said and "3 more" in said
    names, families = fonts.drawable(classes)
    assert names == ["cat"] + [f"class {k}" for k in range(1, 9)] and len(families) == 1


def test_a_letter_and_its_accent_become_one():
    assert fonts.drawable(["e\u0301"])[0] == ["é"]


def test_every_query_and_neighbour_is_drawn(tmp_path):
    shades = np.arange(2 + 2 * 3, dtype=np.uint8) * 30 + 20  # one for each image
    pictures = np.broadcast_to(shades[:, None, None, None], (8, 3, 4, 4))
    queries, found = pictures[:2], pictures[2:].reshape(2, 3, 3, 4, 4)
    gallery.figure4_neighbours(queries, [found], ["nearest"], tmp_path / "4.png")
    drawn = colours(tmp_path / "4.png")
    assert {(s, s, s) for s in shades.tolist()} <= drawn


@pytest.mark.parametrize("network", ["alexnet", "alexnet-2gpu", "vgg-e"])
def test_every_line_of_the_weights_can_be_told_from_the_others(network, tmp_path, monkeypatch):
    layers = catalogue.build(network, reference, None, classes=2, hidden=2, size=64)
    names = [name for name in net.parameters(layers) if ".w" in name]
    looks = curves.looks_by_depth(names)
    assert list(looks) == names and len(names) >= 8
    for a, b in itertools.combinations(looks.values(), 2):
        apart = np.linalg.norm(np.subtract(a["color"], b["color"]))
        assert apart > 0.1 or a["linestyle"] != b["linestyle"]
    drawn = []
    monkeypatch.setattr(curves, "save", lambda figure, path: drawn.append(figure))
    sizes = {name: [0.01 * k, 1e-5 * k] for k, name in enumerate(names, start=1)}
    curves.weights([{"epoch": 1, "weights": sizes}, {"epoch": 2, "weights": sizes}], "no.png")
    left, right = drawn[0].axes
    assert len(left.lines) == len(right.lines) == len(names)
    shown = [text.get_text() for text in right.get_legend().get_texts()]
    assert len(set(shown)) == len(names) and shown[0].startswith(("conv1", "conv1_1"))


def test_feature_maps_of_several_layers_are_drawn(tmp_path):
    layers = [("conv1", RNG.standard_normal((20, 7, 5))), ("pool1", RNG.standard_normal((3, 3, 2)))]
    gallery.feature_maps(images(3, 9, 11), layers, tmp_path / "maps.png", most=16)
    width, height = Image.open(tmp_path / "maps.png").size
    assert width == 12 * 120 and height > 5 * 120  # the image, a strip and a third of a strip
