"""Labelled images of the user's own: .npz, IDX as MNIST is published in, folders of one class each."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch

from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_IMAGES = ("images", "x", "X", "x_train", "data")
_LABELS = ("labels", "y", "Y", "y_train", "targets")
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
#: Type byte of IDX → NumPy's name; its numbers are big-endian.
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read(path: str | Path) -> tuple[Tensor, Tensor]:
    """Images and labels as they lie there.

    Args:
        path: an ``.npz`` with ``images`` (or ``x``) and ``labels`` (or ``y``); an IDX file of images, whose file of
            labels lies beside it, or the folder of both; a folder with a folder of pictures for each class.

    Returns:
        images: (N, C, H, W), of the type in the file.
        labels: (N,) int64, the classes numbered from 0 in their order.

    Raises:
        InspectionError: it cannot be read, or labels do not belong to the images.
    """
    path = Path(path)
    if not path.exists():
        raise InspectionError(f"--data {path}: no such file or folder")
    if path.is_dir():
        found = _idx_in(path)
        images, labels = _idx(found) if found else _folders(path)
    elif path.suffix == ".npz":
        images, labels = _npz(path)
    elif "idx" in path.name:
        images, labels = _idx(path)
    else:
        raise InspectionError(f"--data {path}: expected an .npz, an IDX file (…-idx3-ubyte) or a folder of images")
    return _channels(path, images), _numbered(path, labels, len(images))


def fingerprint(path: str | Path) -> str:
    """Of all bytes of a file, or of a folder's files and their names: other data have another.

    Raises:
        InspectionError: a file cannot be read.
    """
    path = Path(path)
    found = 0
    try:
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            found = zlib.crc32(each.relative_to(path).as_posix().encode(), found)
            if each.is_file():
                found = zlib.crc32(each.read_bytes(), found)
    except OSError as error:
        raise InspectionError(f"--data {path} cannot be read: {error}") from error
    return f"{found:08x}"


def _npz(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return _entry(path, file, _IMAGES), _entry(path, file, _LABELS)
    except (OSError, ValueError, BadZipFile) as error:
        raise InspectionError(f"--data {path} cannot be read: {error}") from error


def _entry(path: Path, file: Any, names: Sequence[str]) -> np.ndarray[Any, Any]:
    for name in names:
        if name in file:
            found: np.ndarray[Any, Any] = file[name]
            return found
    raise InspectionError(f"--data {path} holds {', '.join(file) or 'nothing'}; expected {names[0]} (or {names[1]})")


def _idx_in(folder: Path) -> Path | None:
    found = sorted(folder.glob("*images*idx*"))
    training = [path for path in found if path.name.startswith("train")]
    return next(iter(training or found), None)


def _idx(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path or not beside.exists():
        raise InspectionError(f"--data {path}: the file of its labels is not beside it; expected {beside.name}")
    return _idx_array(path), _idx_array(beside)


def _idx_array(path: Path) -> np.ndarray[Any, Any]:
    """Two zero bytes, a type, the number of axes, each axis as 4 bytes, the numbers (http://yann.lecun.com/exdb/mnist)."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zeros, kind, axes = struct.unpack_from(">HBB", content)
        if zeros or kind not in _IDX_TYPES:
            raise ValueError("it does not begin as IDX files do")
        shape = struct.unpack_from(f">{axes}I", content, 4)
        return np.frombuffer(content, _IDX_TYPES[kind], offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise InspectionError(f"--data {path} cannot be read as IDX: {error}") from error


def _folders(folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [
        (path, label)
        for label, each in enumerate(classes)
        for path in sorted(each.iterdir())
        if path.suffix.lower() in _PICTURES
    ]
    if not files:
        raise InspectionError(f"--data {folder}: expected a folder of pictures for each class, or IDX files")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InspectionError("folders of images need Pillow: pip install 'inspector[experiments]'") from None
    arrays: list[np.ndarray[Any, Any]] = []
    for path, _ in files:
        try:
            with Image.open(path) as opened:
                # Palettes, transparency and 1-bit pictures become colours; grey stays grey.
                arrays.append(np.asarray(opened if opened.mode in ("L", "RGB") else opened.convert("RGB")))
        except (OSError, UnidentifiedImageError) as error:
            raise InspectionError(f"--data {path} cannot be read: {error}") from error
        if arrays[-1].shape != arrays[0].shape:
            first, this = ("×".join(map(str, array.shape)) for array in (arrays[0], arrays[-1]))
            raise InspectionError(f"--data {path} is {this}, {files[0][0].name} is {first}: make all of one size")
    return np.stack(arrays), np.array([label for _, label in files])


def _channels(path: Path, images: np.ndarray[Any, Any]) -> Tensor:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) as (N, C, H, W)."""
    if images.dtype == object or images.dtype.kind not in "uifb":
        raise InspectionError(f"--data {path}: images are numbers, got {images.dtype}")
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4:
        raise InspectionError(f"--data {path}: expected images (N, C, H, W) or (N, H, W), got {images.shape}")
    found = torch.from_numpy(np.ascontiguousarray(images.astype(images.dtype.newbyteorder("="))))
    if found.is_floating_point() and not bool(torch.isfinite(found).all()):
        raise InspectionError(f"--data {path}: a number in the images is not finite")
    return found


def _numbered(path: Path, labels: np.ndarray[Any, Any], images: int) -> Tensor:
    if labels.ndim != 1:
        hint = "; of one-hot labels give labels.argmax(1)" if labels.ndim == 2 else ""
        raise InspectionError(f"--data {path}: expected labels (N,), got {labels.shape}{hint}")
    if len(labels) != images:
        raise InspectionError(f"--data {path}: {images} images and {len(labels)} labels; each image needs its own")
    if labels.dtype.kind not in "uiUS" and not (labels.dtype.kind == "f" and (labels == np.round(labels)).all()):
        raise InspectionError(f"--data {path}: labels are classes (whole numbers or names), got {labels.dtype}")
    classes, numbered = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InspectionError(f"--data {path}: all labels are the same class; expected two at least")
    return torch.from_numpy(numbered.astype(np.int64))
