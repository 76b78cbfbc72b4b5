"""A checkpoint is whole or not there, comes back as saved, and nothing else is taken for one."""

import errno
import pickle

import numpy as np
import pytest

from minicnn import storage
from minicnn.errors import CheckpointError

ARRAYS = {"w:conv1.w": np.arange(6, dtype=np.float32).reshape(2, 3), "order": np.array([2, 0, 1])}
FACTS = {
    "epoch": 3,
    "rng": {"state": 2**127 + 1},
    "history": [{"loss": 0.1}],
    "settings": {"data": "sample"},
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoint.npz"
    storage.save(path, ARRAYS, FACTS)
    return path


def test_what_was_saved_comes_back(saved):
    arrays, facts = storage.load(saved)
    assert facts == FACTS
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere.npz: there is no such checkpoint"):
        storage.load(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        storage.load(saved)


def test_a_flipped_bit_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(b"\x93NUMPY", 200) + 130] ^= 1  # inside the data of an array
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        storage.load(saved)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign"
    path.write_text("not a checkpoint at all")
    with pytest.raises(CheckpointError, match="is not a checkpoint, which is an .npz file"):
        storage.load(path)
    with open(path, "wb") as file:
        np.savez(file, x=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a checkpoint of minicnn"):
        storage.load(path)
    with open(path, "wb") as file:
        np.savez(file, facts=np.frombuffer(b'{"format": "minicnn checkpoint 99"}', np.uint8))
    with pytest.raises(CheckpointError, match="not in the format"):
        storage.load(path)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_no_pickle_is_ever_loaded(tmp_path):
    path = tmp_path / "pickled.npz"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        storage.load(path)
    np.savez(path, facts=np.array([Bomb()], dtype=object))
    with pytest.raises(CheckpointError):
        storage.load(path)


def test_a_full_disk_leaves_the_old_checkpoint(saved, monkeypatch):
    def savez(file, **content):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(OSError, match="No space left") as raised:
        storage.save(saved, ARRAYS, {"epoch": 4})
    assert raised.value.filename == str(saved) and raised.value.errno == errno.ENOSPC
    assert "the previous file is still there" in str(raised.value)
    assert storage.load(saved)[1] == FACTS
    assert [p.name for p in saved.parent.iterdir()] == ["checkpoint.npz"]


def test_a_file_that_is_cut_short_is_named_though_numpy_does_not(tmp_path):
    def write(file):
        raise OSError("1000 requested and 384 written")  # as np.save says it

    with pytest.raises(OSError, match="could not be written completely .1000 requested") as raised:
        storage.write_whole(tmp_path / "mean.npy", write)
    assert raised.value.filename == str(tmp_path / "mean.npy")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_while_another_is_written_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        storage.write_whole(tmp_path / "out", lambda file: open(tmp_path / "missing"))
    assert raised.value.filename == str(tmp_path / "missing")


def test_arrays_of_another_network_are_refused_before_anything_changes():
    target = {"a": np.zeros(2), "b": np.zeros(3)}
    with pytest.raises(CheckpointError, match="only the network has b"):
        storage.copy_into(target, {"a": np.ones(2)}, "x.npz")
    with pytest.raises(CheckpointError, match="only the checkpoint has c"):
        storage.copy_into(target, {"a": np.ones(2), "b": np.ones(3), "c": np.ones(1)}, "x.npz")
    with pytest.raises(
        CheckpointError, match=r"b is float64 \(4,\) in the file but float64 \(3,\) in"
    ):
        storage.copy_into(target, {"a": np.ones(2), "b": np.ones(4)}, "x.npz")
    assert not target["a"].any()


def test_facts_come_back_in_json_s_own_types(tmp_path):
    facts = {
        "tuple": (1, (2.5, None)),
        "numbers": [np.float32(0.1), np.float64(0.1), np.int8(-3), np.uint64(2**64 - 1)],
        "yes": np.bool_(True),
        "array": np.arange(3, dtype=np.uint32),
        "path": tmp_path / "ä",
        "text": np.str_("ε"),
    }
    storage.save(tmp_path / "c.npz", {}, facts)
    assert storage.load(tmp_path / "c.npz")[1] == {
        "tuple": [1, [2.5, None]],
        "numbers": [float(np.float32(0.1)), 0.1, -3, 2**64 - 1],
        "yes": True,
        "array": [0, 1, 2],
        "path": str(tmp_path / "ä"),
        "text": "ε",
    }


@pytest.mark.parametrize(
    "value", [np.nan, np.float32(np.inf), {1, 2}, len, b"bytes", 1j, {(1, 2): 3}, [object()]]
)
def test_what_json_has_no_word_for_is_refused_by_name_and_writes_nothing(tmp_path, value):
    with pytest.raises((TypeError, ValueError), match="the setting x is a .* no checkpoint can"):
        storage.plain("the setting x", value)
    with pytest.raises((TypeError, ValueError)):
        storage.save(tmp_path / "c.npz", {}, {"x": value})
    assert not list(tmp_path.iterdir())


def test_an_array_that_would_be_pickled_is_refused(tmp_path):
    with pytest.raises(TypeError, match="names holds Python objects"):
        storage.save(tmp_path / "c.npz", {"names": np.array(["a", None], object)}, {})
    assert not list(tmp_path.iterdir())


def test_a_nan_that_an_earlier_version_wrote_is_none(tmp_path):
    text = b'{"format": "minicnn checkpoint 1", "history": [{"weights": [NaN, Infinity, 1.5]}]}'
    np.savez(tmp_path / "c.npz", facts=np.frombuffer(text, np.uint8))
    _, facts = storage.load(tmp_path / "c.npz")
    assert facts["history"] == [{"weights": [None, None, 1.5]}]
