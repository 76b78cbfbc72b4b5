"""When ε is divided: after given epochs, or when the validation error stalls."""

from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.networks import catalogue
from minicnn.training import recipes, schedules

NOT_GIVEN = dict.fromkeys(catalogue.PAPER.keys() - {"epsilon"})  # options of `train`


def epsilons(schedule, errors, epsilon=1.0, by_hand=None):
    """Return ε of each epoch of a run with these validation errors; by_hand: {epoch: new ε}."""
    history = []
    for epoch, error in enumerate(errors, start=1):
        epsilon = (by_hand or {}).get(epoch, epsilon)
        history.append({"epoch": float(epoch), "validation_error": error, "epsilon": epsilon})
        epsilon = schedule(history, epsilon)
    return [line["epsilon"] for line in history]


@pytest.mark.parametrize(
    "patience, errors, expected",
    [
        # No better in the last two than in the one before: after epoch 3, then every two epochs.
        (2, [5, 5, 5, 5, 5, 5, 5], [1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
        (1, [5, 5, 5, 5], [1, 1, 0.1, 0.01]),
        (3, [5, 6, 6, 6, 6, 6, 6, 6], [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01]),
        # Better each time, if only by a little: never.
        (1, [5, 4.9, 4.8, 4.7], [1, 1, 1, 1]),
        # An equal one is no better, and a better one in the last two keeps ε.
        (2, [5, 4, 4, 4, 3, 3, 3], [1, 1, 1, 1, 0.1, 0.1, 0.1]),
        # After a division two epochs again; the second of them is better, so ε stays two more.
        (2, [5, 5, 5, 6, 4, 6, 6], [1, 1, 1, 0.1, 0.1, 0.1, 0.1]),
        (2, [5, 5, 5, 6, 4, 6, 6, 6], [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01]),
        # Not before there is an epoch to compare with.
        (4, [5, 5, 5, 5], [1, 1, 1, 1]),
    ],
)
def test_a_stall_is_no_better_value_in_so_many_epochs(patience, errors, expected):
    found = epsilons(schedules.divide_on_stall(patience, times=9), errors)
    assert found == pytest.approx(expected)


def test_epsilon_is_divided_so_many_times_and_no_more():
    schedule = schedules.divide_on_stall(1, by=2, times=2)
    assert epsilons(schedule, [5] * 6) == [1, 1, 0.5, 0.25, 0.25, 0.25]
    assert epsilons(schedules.divide_on_stall(1, times=0), [5] * 4) == [1] * 4


def test_a_change_by_hand_counts_as_a_division_and_is_given_its_epochs():
    schedule = schedules.divide_on_stall(2, times=3)
    errors = [
        5
    ] * 10  # divided after 3; back to 1 by hand, a second change; divided after 6, a third
    expected = [1, 1, 1, 0.1, 1, 1, 0.1, 0.1, 0.1, 0.1]
    assert epsilons(schedule, errors, by_hand={5: 1.0}) == pytest.approx(expected)


def test_an_epsilon_that_comes_back_does_not_bring_its_old_epochs_with_it():
    schedule = schedules.divide_on_stall(2, times=9)
    expected = [1, 1, 1, 0.1, 1, 0.1, 0.1, 0.01]  # from epoch 6 on 0.1 has two epochs of its own
    assert epsilons(schedule, [5] * 8, by_hand={5: 1.0, 6: 0.1}) == pytest.approx(expected)


def test_an_epsilon_that_differs_in_its_last_digit_is_the_same():
    schedule = schedules.divide_on_stall(2, by=3, times=2)
    third = 0.1 / 3
    history = [
        {"epoch": 1.0, "validation_error": 5, "epsilon": 0.1},
        {"epoch": 2.0, "validation_error": 5, "epsilon": np.nextafter(third, 1)},
        {"epoch": 3.0, "validation_error": 5, "epsilon": third},
    ]
    assert schedule(history, third) == third / 3


def test_an_epoch_without_a_validation_error_cannot_stall():
    schedule = schedules.divide_on_stall(1)
    bare = {"epoch": 1.0, "validation_error": None, "epsilon": 0.1}
    with pytest.raises(ValueError, match="divide_on_stall: there is no validation error; give"):
        schedule([bare], 0.1)
    # A run that has had validation data from epoch 2 on; at 3.5 it reached its goal, and went on.
    more = [
        {"epoch": epoch, "validation_error": 5, "epsilon": 0.1} for epoch in (2.0, 3.0, 3.5, 4.0)
    ]
    assert schedule([bare, *more[:1]], 0.1) == 0.1
    assert schedule([bare, *more[:2]], 0.1) == 0.01
    assert schedules.divide_on_stall(2)([bare, *more[:3], more[3] | {"epoch": 4.0}], 0.1) == 0.01
    assert schedules.divide_on_stall(3)([bare, *more], 0.1) == 0.1


@pytest.mark.parametrize(
    "make, telling",
    [
        (lambda: schedules.divide_on_stall(0), "patience = 0; expected a whole number of at least"),
        (lambda: schedules.divide_on_stall(2.5), "patience = 2.5; expected a whole number"),
        (lambda: schedules.divide_on_stall(by=0), "by = 0; expected a number above 1"),
        (lambda: schedules.divide_on_stall(times=-1), "times = -1; expected a whole number"),
        (lambda: schedules.divide_at([0]), "epochs = 0; expected a whole number of at least 1"),
        (lambda: schedules.divide_at([3], by=0.1), "by = 0.1; expected a number above 1"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_when_it_is_made(make, telling):
    with pytest.raises(ValueError, match=telling):
        make()


def test_divide_at_takes_any_collection_of_epochs():
    for epochs in ([1, 3], (1, 3), {1, 3}, np.array([1, 3]), iter([1, 3])):
        assert epsilons(schedules.divide_at(epochs), [5] * 4) == pytest.approx([1, 0.1, 0.1, 0.01])
    with pytest.raises(TypeError, match=r"divide_at: epochs = 3; expected several, e.g. \[30, 60"):
        schedules.divide_at(3)


def test_a_run_of_an_earlier_version_goes_on_with_the_decay_that_it_began_with():
    options = SimpleNamespace(network="cifar-80sec", out="out", epsilon=None, **NOT_GIVEN)
    before = {"first_epsilon": 0.001, "epoch": 1, "settings": {"decay": 0.0005}}
    recipes.complete(options, before)
    assert (options.decay, options.bias_epsilon) == (0.0005, 1)
    new = SimpleNamespace(network="cifar-80sec", out="out", epsilon=None, **NOT_GIVEN)
    recipes.complete(new, None)
    assert (new.decay["fc10"], new.bias_epsilon) == (0.03, 2)
