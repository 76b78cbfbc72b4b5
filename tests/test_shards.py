"""Batches cut into shards: the same run, however many ranks would share them.  Needs no MPI."""

import numpy as np
import pytest
from test_train import ops, run_small, same, small_data, small_network

from minicnn.__main__ import main
from minicnn.data.batches import Batches
from minicnn.distributed import hybrid, launch, ranks, shards, tree
from minicnn.distributed.alone import Alone
from minicnn.errors import CheckpointError
from minicnn.net import gaussian, row
from minicnn.training import train
from minicnn.two_columns import in_columns

two = in_columns(ops)


def a_job(rank, size):
    """A rank of a job that communicates with no one."""
    job = Alone()
    job.part, job.parts = rank, size
    return job


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_however_many_ranks_add_five_shards_the_order_is_that_of_the_tree(size):
    arrays = np.random.default_rng(0).standard_normal((5, 1000)).astype(np.float32)
    a, b, c, d, e = arrays
    held = []
    for rank in range(size):
        nodes = []
        for shard in shards.Shards(5, a_job(rank, size)).own:
            tree.add_leaf(nodes, shard, arrays[shard].copy())
        assert [node for node, _ in nodes] == shards.nodes_of(
            shards.Shards(5, a_job(0, size)).of_part(rank, 5)
        )
        held += nodes
    expected = ((a + b) + (c + d)) + e
    assert np.array_equal(tree.root(dict(held)), expected)
    assert not np.array_equal(a + b + c + d + e, expected)  # the order matters


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_gradient_in_shards_is_that_of_the_whole_batch(count):
    images, labels = small_data(22)
    images = images.astype(np.float64)

    def weights(count):
        rng = np.random.default_rng(0)
        layers = [layer for layer in small_network(rng) if "drop" not in layer.name]
        for layer in layers:
            for name, w in layer.params.items():
                layer.params[name] = w.astype(np.float64)
        options = {"epochs": 2, "batch": 6, "progress": False, "shards": count}
        return train.train(layers, ops, (images, labels), rng=rng, **options).arrays()

    whole, cut = weights(1), weights(count)  # the last batch has 4 images, fewer than 6 shards
    for name in whole:
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-12, atol=1e-15)


def run_hybrid(folder=None, dtype=np.float32, dropout=True, shards=6, hybrid=True, **options):
    """Train a network with three fully connected layers, of 7, 3 and 5 units."""
    rng, (images, labels) = np.random.default_rng(0), small_data()

    def weights(*shape):
        return gaussian(rng, shape, 0.3, dtype=dtype)

    layers = [
        row("conv1", ops, "conv", weights(4, 3, 3, 3), stride=2),
        row("relu1", ops, "relu"),
        row("drop1", ops, "dropout", p=0.5, rng=rng),
        row("fc2", ops, "fc", weights(7, 4 * 3 * 2)),
        row("relu2", ops, "relu"),
        row("drop2", ops, "dropout", p=0.5, rng=rng),
        row("fc3", ops, "fc", weights(3, 7)),
        row("tanh3", ops, "tanh"),
        row("fc4", ops, "fc", weights(5, 3)),
    ]
    layers = [layer for layer in layers if dropout or "drop" not in layer.name]
    options = {"epochs": 3, "batch": 8, "epsilon": 0.05, "progress": False} | options
    return train.train(
        layers, ops, (images.astype(dtype), labels), (images[:9].astype(dtype), labels[:9]),
        rng=rng, folder=folder, shards=shards, hybrid=hybrid, **options,
    )  # fmt: skip


@pytest.mark.parametrize("shards", [1, 3, 6])
def test_the_hybrid_learns_what_the_whole_batch_teaches(shards):
    whole = run_hybrid(dtype=np.float64, dropout=False, shards=1, hybrid=False).arrays()
    cut = run_hybrid(dtype=np.float64, dropout=False, shards=shards).arrays()
    for name in whole:  # 3 units in 6 slices: three are empty
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-10, atol=1e-14, err_msg=name)


def test_a_hybrid_run_resumes_as_a_hybrid_alone(tmp_path):
    run_hybrid(tmp_path, epochs=1)
    with pytest.raises(CheckpointError, match="parallel = hybrid, this one has None"):
        run_hybrid(tmp_path, resume=True, hybrid=False)
    same(run_hybrid(), run_hybrid(tmp_path, resume=True))


def test_the_hybrid_refuses_layers_that_mix_units():
    rng = np.random.default_rng(0)
    for layers in (small_network(rng)[:1], [*small_network(rng), row("join", two, "join")]):
        with pytest.raises(ValueError, match="the hybrid takes a network of one column"):
            hybrid.check_layers(layers)


def test_a_run_in_shards_resumes_as_if_it_had_never_stopped(tmp_path):
    whole = run_small(shards=4)
    run_small(tmp_path, epochs=1, shards=4)
    with pytest.raises(CheckpointError, match="shards = 4, this one has None"):
        run_small(tmp_path, resume=True)
    same(whole, run_small(tmp_path, resume=True, shards=4))


def test_each_shard_draws_its_own_random_choices():
    images, labels = small_data(10)
    drawn = Batches(
        images, labels, np.arange(10), 5, lambda x, rng: rng.random(len(x)),
        seed=1, epoch=2, shards=3, own=[0, 2],
    )  # fmt: skip
    made = [tuple(x) for x, _ in drawn]
    assert list(map(len, made)) == [2, 1, 2, 1]
    keys = [[1, 2, step, shard] for step in (0, 1) for shard in (0, 2)]
    expected = [np.random.default_rng(key).random() for key in keys]
    assert [x[0] for x in made] == expected


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"shards": 7}, "shards = 7; expected a whole number up to 6"),
        ({"shards": 2, "job": a_job(0, 3)}, "3 ranks cannot share 2 shards of a batch"),
    ],
)
def test_too_many_shards_or_ranks_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        run_small(**options)


@pytest.mark.parametrize("names", launch.STARTERS)
@pytest.mark.parametrize("command", ["train", "summary"])
def test_processes_that_do_not_know_of_one_another_are_refused(names, command, monkeypatch, capsys):
    for name, value in zip(names, ("0", "4"), strict=True):
        monkeypatch.setenv(name, value)
    arguments = [command, "alexnet"]
    monkeypatch.setattr("sys.argv", ["minicnn", *arguments])
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "4 processes" in told
    assert ("mpiexec -n 4 python -m mpi4py -m minicnn train alexnet" in told) == (
        command == "train"
    )
    monkeypatch.setenv(names[0], "1")
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().err == ""  # rank 0 has said it


def test_a_digest_sees_one_changed_pixel(sample):
    few = sample.train_x[:30].copy()
    before = ranks.digest(few, sample.train_y)
    few[29, 2, 31, 31] ^= 1
    assert ranks.digest(few, sample.train_y) != before


@pytest.mark.parametrize(
    "network, parallel, megabytes, seconds, messages, later",
    [
        ("alexnet", "data", "243.86", "1.95", 6, "2.01"),
        ("alexnet-2gpu", "columns", "7.96", "0.0637", 16, "0.224"),
        ("alexnet", "hybrid", "13.92", "0.111", 20, "0.311"),
    ],
)
def test_summary_predicts_what_crosses(
    network, parallel, megabytes, seconds, messages, later, capsys
):
    batch = "32" if parallel == "columns" else "64"
    options = ["--ranks", "2", "--parallel", parallel, "--batch", batch]
    assert main(["summary", network, *options]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split() == f"{megabytes} MB together: {seconds} s at 1 Gbit/s".split()
    assert main(["summary", network, *options, "--delay", "10"]) == 0
    least = f"at least {messages} × 10 ms"
    assert capsys.readouterr().out.endswith(f"{later} s at 1 Gbit/s and {least}\n")
    for wrong in ([*options, "--beside", "vgg-a"], ["--parallel", "data"], ["--delay", "1"]):
        with pytest.raises((SystemExit, AssertionError)):
            assert main(["summary", network, *wrong]) == 0
