"""CIFAR-10 is read as it was written, the sample is CIFAR-10, and the inputs are the paper's."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from minicnn import data
from minicnn.data import cifar10, make_sample

RECORDS = 30  # in a file of the small CIFAR-10 that these tests write
FULL = cifar10.batches_folder()
needs_full = pytest.mark.skipif(
    not (FULL / "test_batch.bin").is_file(),
    reason="the full CIFAR-10 is not in the cache directory",
)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A directory with a small CIFAR-10: six files of 30 records, random pixels, labels in turn."""
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    rng = np.random.default_rng(7)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE):
        records = rng.integers(0, 256, (RECORDS, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(RECORDS) % 10
        records.tofile(folder / name)
    return tmp_path


def test_a_record_is_a_label_and_three_planes(small):
    dataset = data.load(small)
    record = (small / "cifar-10-batches-bin" / "data_batch_2.bin").read_bytes()[3073 : 2 * 3073]
    picture = dataset.train_x[RECORDS + 1]
    assert dataset.train_y[RECORDS + 1] == record[0] == 1
    assert picture[0, 0, 0] == record[1]
    assert picture[0, 0, 5] == record[1 + 5]  # red, first row, sixth pixel
    assert picture[2, 31, 31] == record[3072]  # blue, last row, last pixel
    assert picture[1, 4, 9] == record[1 + 1024 + 4 * 32 + 9]
    assert dataset.train_x.shape == (5 * RECORDS, 3, 32, 32)
    assert dataset.test_x.shape == (RECORDS, 3, 32, 32)
    assert dataset.train_x.dtype == dataset.test_x.dtype == np.uint8
    assert dataset.train_y.dtype == dataset.test_y.dtype == np.int64
    assert dataset.classes[3] == "cat"


def test_the_folder_and_the_directory_around_it_are_the_same(small):
    around = data.load_cifar10(small)
    inside = data.load_cifar10(small / "cifar-10-batches-bin")
    (small / "cifar-10-batches-bin").rename(small / "renamed")
    renamed = data.load_cifar10(str(small / "renamed"))
    assert np.array_equal(around.train_x, inside.train_x)
    assert np.array_equal(around.train_x, renamed.train_x)


def test_without_a_directory_it_is_read_from_minicnn_data(small, monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", str(small))
    assert len(data.load("cifar10").test_x) == RECORDS


def test_without_minicnn_data_the_cache_is_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert data.cache_dir() == tmp_path / ".cache" / "minicnn"


def test_missing_files_are_named_with_the_command_that_gets_them(small):
    with pytest.raises(FileNotFoundError, match="looked for .*data_batch_1.bin.* download cifar10"):
        data.load_cifar10(small / "nothing")
    (small / "cifar-10-batches-bin" / "data_batch_4.bin").unlink()
    with pytest.raises(FileNotFoundError, match="looked for .*data_batch_4.bin"):
        data.load_cifar10(small)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match="'cifar11': give 'sample', 'cifar10', or"):
        data.load("cifar11")


@pytest.mark.parametrize("size", [0, 1, RECORDS * 3073 - 1, RECORDS * 3073 + 1])
def test_a_file_of_the_wrong_size_is_refused(small, size):
    path = small / "cifar-10-batches-bin" / "test_batch.bin"
    path.write_bytes((path.read_bytes() + b"x")[:size])
    with pytest.raises(ValueError, match=f"test_batch.bin has {size:,} bytes .* 92,190"):
        data.load_cifar10(small)


def test_a_label_above_nine_is_refused(small):
    path = small / "cifar-10-batches-bin" / "data_batch_5.bin"
    content = bytearray(path.read_bytes())
    content[17 * 3073] = 10
    path.write_bytes(content)
    with pytest.raises(ValueError, match="data_batch_5.bin has the label 10 in record 17"):
        data.load_cifar10(small)


def test_the_sample_has_500_and_100_pictures_of_each_class_in_turn(sample):
    assert sample.train_x.shape == (5000, 3, 32, 32)
    assert sample.test_x.shape == (1000, 3, 32, 32)
    assert sample.train_x.dtype == sample.test_x.dtype == np.uint8
    assert sample.train_y.dtype == sample.test_y.dtype == np.int64
    assert np.array_equal(sample.train_y.reshape(500, 10), [range(10)] * 500)
    assert np.array_equal(sample.test_y.reshape(100, 10), [range(10)] * 100)
    assert sample.classes == data.CLASSES


def test_the_sample_ships_in_less_than_15_megabytes():
    assert sum(path.stat().st_size for path in cifar10.SAMPLE.iterdir()) < 15_000_000


@needs_full
def test_the_sample_is_the_first_of_each_class_of_the_full_set(sample):
    full = data.load_cifar10()
    for label in range(10):
        train = full.train_x[full.train_y == label][:500]
        test = full.test_x[full.test_y == label][:100]
        assert np.array_equal(sample.train_x[label::10], train)
        assert np.array_equal(sample.test_x[label::10], test)


def test_a_sample_made_from_a_set_reads_back_the_same(small):
    rng = np.random.default_rng(8)
    x = rng.integers(0, 256, (600, 3, 32, 32), dtype=np.uint8)
    y = np.sort(np.arange(600) % 10)
    folder = small / "sample"
    folder.mkdir()
    written = make_sample.make_sample(data.with_moments((x, y, x, y, data.CLASSES)), folder, 50, 25)
    made = data.load_sample(folder)
    assert np.array_equal(made.train_x[4::10], x[y == 4][:50])
    assert np.array_equal(made.test_x[9::10], x[y == 9][:25])
    assert written == sum(path.stat().st_size for path in folder.glob("*.png"))
    assert len(list(folder.iterdir())) == 21  # nothing temporary stays


@pytest.mark.parametrize("damage", ["a flipped bit", "half a file", "no file", "no list"])
def test_a_damaged_sample_is_refused(tmp_path, damage):
    folder = shutil.copytree(cifar10.SAMPLE, tmp_path / "sample")
    sheet = folder / "test_ship.png"
    content = bytearray(sheet.read_bytes())
    content[1000] ^= 1
    if damage == "a flipped bit":
        sheet.write_bytes(content)
    elif damage == "half a file":
        sheet.write_bytes(content[: len(content) // 2])
    elif damage == "no file":
        sheet.unlink()
    else:
        sheet = folder / "SHA256SUMS"
        sheet.unlink()
    with pytest.raises(ValueError, match=f"sample is damaged: .*{sheet.name}"):
        data.load_sample(folder)


def test_a_subset_is_balanced_and_grows(sample):
    few, more = data.subset(sample, 50), data.subset(sample, 200)
    assert np.bincount(few.train_y).tolist() == [5] * 10
    assert np.array_equal(few.train_x, more.train_x[:50])
    assert np.array_equal(data.subset(sample, 5000).train_x, sample.train_x)
    assert few.test_x is sample.test_x


def test_a_subset_takes_the_first_of_each_class_wherever_they_are():
    y = np.array([3, 3, 3, *range(10), *range(10)])
    x = np.zeros((23, 3, 32, 32), np.uint8)
    x[:, 0, 0, 0] = np.arange(23)
    chosen = data.subset(data.with_moments((x, y, x, y, data.CLASSES)), 20)
    assert np.array_equal(
        chosen.train_x[:, 0, 0, 0], [0, 1, *range(3, 6), *range(7, 16), *range(17, 23)]
    )


@pytest.mark.parametrize("count", [0, -10, 15])
def test_a_subset_that_cannot_be_balanced_is_refused(sample, count):
    with pytest.raises(ValueError, match=f"count is {count}, .* multiple of 10"):
        data.subset(sample, count)


def test_a_subset_larger_than_the_set_is_refused(sample):
    with pytest.raises(ValueError, match="count is 5010, .* at most 5000"):
        data.subset(sample, 5010)


@pytest.fixture(scope="module")
def some(sample):
    """A tenth of the sample, for what is computed of every pixel."""
    few = data.subset(sample, 500)
    return few._replace(test_x=few.test_x[:100], test_y=few.test_y[:100])


def test_the_mean_image_is_the_training_sets_alone(some):
    mean, train, test = data.subtract_mean(some.train_x, some.test_x)
    assert mean.shape == (3, 32, 32)
    assert mean.dtype == train.dtype == test.dtype == np.float32
    assert np.allclose(mean, some.train_x.astype(float).mean(axis=0), atol=1e-5)
    assert np.array_equal(train[77], some.train_x[77] - mean)
    assert np.array_equal(test[5], some.test_x[5] - mean)
    assert np.abs(train.mean(axis=0, dtype=float)).max() < 1e-4


def test_raw_inputs_keep_their_scale_and_unit_inputs_have_standard_deviation_one(some):
    raw_x, train_y, raw_test_x, test_y, raw_mean = data.prepare(some)
    unit_x, _, unit_test_x, _, unit_mean = data.prepare(some, input="unit")
    std = raw_x.std(dtype=float)
    assert 60 < std < 70
    assert np.allclose(unit_x.std(dtype=float), 1, atol=1e-5)
    assert np.allclose(unit_x[:50] * std, raw_x[:50], atol=1e-3)
    assert np.allclose(unit_test_x[:50] * std, raw_test_x[:50], atol=1e-3)
    assert np.array_equal(raw_mean, unit_mean)
    assert unit_x.dtype == unit_test_x.dtype == np.float32
    assert train_y is some.train_y and test_y is some.test_y


def test_preparing_leaves_the_data_set_as_it_was(some):
    before = some.train_x[:20].copy()
    data.prepare(some, input="unit")
    assert np.array_equal(some.train_x[:20], before)


def test_an_unknown_input_is_refused(sample):
    with pytest.raises(ValueError, match="input is 'std', but it must be 'raw' or 'unit'"):
        data.prepare(sample, input="std")


def test_equal_images_have_no_deviation_to_divide_by(some):
    equal = data.with_moments(some._replace(train_x=np.full_like(some.train_x, 7)))
    with pytest.raises(ValueError, match="input is 'unit', but the training images are all equal"):
        data.prepare(equal, input="unit")


def test_importing_the_data_package_loads_nothing_heavy():
    heavy = "matplotlib numba tqdm PIL urllib.request"
    program = f"import sys, minicnn.data; print([m for m in '{heavy}'.split() if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
