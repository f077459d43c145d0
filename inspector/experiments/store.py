"""A folder in which every record is written once, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from inspector.errors import InspectionError

_KEY = re.compile(r"[\w.=,+-]{1,120}", re.ASCII)


class Store:
    """Records of one run, as JSON files.

    Args:
        folder: where they lie; it is made with the first record.
        writes: False for all but the first of several processes that measure together.
    """

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes

    def read(self, name: str) -> dict[str, Any] | None:
        """The record, or None where there is none.

        Raises:
            InspectionError: the file is there and is no JSON, or no object of it.
        """
        try:
            found = json.loads(self._path(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise InspectionError(
                f"--out: a part of {self.folder} is a file; give a folder, or a name that is free"
            ) from None
        except (OSError, ValueError) as error:
            raise self.no_record(name, str(error)) from error
        if not isinstance(found, dict):
            raise self.no_record(name, f"it holds a {type(found).__name__}")
        return found

    def no_record(self, name: str, why: str) -> InspectionError:
        """What to say of a file that something else has written or changed."""
        return InspectionError(
            f"{self._path(name)} is no record of an experiment ({why}); remove it or give another --out"
        )

    def write(self, name: str, record: object) -> None:
        """Write a record once: one that is there already stays as it is."""
        if not self._path(name).exists():
            self.replace(f"{name}.json", (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode())

    def replace(self, file: str, content: bytes) -> None:
        """Write a file in one step, in place of what was there."""
        if not self.writes:
            return
        path = self.folder / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as opened:
                    opened.write(content)
                    opened.flush()
                    os.fsync(opened.fileno())
                Path(temporary).chmod(0o644)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise InspectionError(f"--out: {path} cannot be written: {error.strerror or error}") from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def checked_key(key: str) -> str:
    """The key, if it can be the name of a file on every system.

    >>> checked_key("n=32,seed=0")
    'n=32,seed=0'
    """
    if not _KEY.fullmatch(key) or key.startswith("."):
        raise ValueError(f"the key of a cell becomes a file's name: letters, digits and .=,+_- alone, got {key!r}")
    return key
