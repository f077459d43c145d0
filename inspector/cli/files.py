"""Files that the user names: ``--input-file``, real data read so that no file can run code; and what is written."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.cli.target import described
from inspector.errors import InspectionError

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Words by which a library advises to load what could run code.
_ADVICE = ("weights_only", "allow_pickle")


def read_inputs(path: str) -> Any:
    """Inputs as ``predict(input_data=...)`` takes them.

    A ``.pt`` or ``.pth`` file may hold a tensor (the one positional argument), a tuple or list (positional arguments)
    or a dict (keyword arguments). A ``.npz`` file holds keyword arguments, or positional ones where its arrays have no
    names; a ``.safetensors`` file holds keyword arguments.

    Raises:
        InspectionError: no such file, another format, damaged, or a pickle with code in it.
    """
    file = Path(path)
    if not file.is_file():
        told = "this is a folder" if file.is_dir() else "there is no such file"
        raise InspectionError(f"--input-file {path}: {told}")
    readers = {".pt": _torch, ".pth": _torch, ".npz": _numpy, ".safetensors": _safetensors}
    reader = readers.get(file.suffix)
    if reader is None:
        raise InspectionError(f"--input-file {path}: a file must end in {', '.join(readers)}")
    try:
        return reader(file)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        if isinstance(error, pickle.UnpicklingError) or any(words in str(error) for words in _ADVICE):
            raise InspectionError(
                f"--input-file {file} is no file of plain tensors: it is damaged, or holds objects that could run code "
                "when loaded, and was not loaded. Save tensors, lists and dicts of tensors alone."
            ) from error
        said = "" if isinstance(error, KeyError) else str(error).partition("\n")[0]  # a KeyError's text is the key
        said = said or f"it is no {file.suffix} file"
        raise InspectionError(f"--input-file {path} cannot be read: {said}") from error


def _torch(file: Path) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it cannot load it warns before it raises
        data = torch.load(file, weights_only=True, map_location="cpu")
    if isinstance(data, (list, tuple)):
        return tuple(data)
    if not isinstance(data, (dict, torch.Tensor)):
        raise InspectionError(f"--input-file {file} holds {described(data)}, not tensors")
    return data


def _numpy(file: Path) -> Any:
    import numpy as np
    import torch

    with np.load(file, allow_pickle=False) as arrays:
        found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    positional = [f"arr_{index}" for index in range(len(found))]  # as np.savez calls arrays without names
    return tuple(found[name] for name in positional) if set(found) == set(positional) else found


def _safetensors(file: Path) -> Any:
    try:
        import safetensors
        import safetensors.torch
    except ImportError:
        raise InspectionError(f"--input-file {file} needs the package safetensors: pip install safetensors") from None
    try:
        return safetensors.torch.load_file(file)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


@contextmanager
def writable(file: str | Path) -> Iterator[Path]:
    """The file, whose folder is made where there is none.

    Raises:
        InspectionError: it cannot be written.
    """
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise InspectionError(f"{path} cannot be written: {error.strerror}") from error
