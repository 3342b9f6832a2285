"""Files that are replaced as a whole, read again only when they have changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """The content of a file that is read again only when the file has changed.

    Args:
        read: reads it; may raise OSError, and ValueError for content that is damaged.

    Attributes:
        problem: why the file could not be read at the last look, or "".
    """

    def __init__(self, read: Callable[[Path], T]):
        self.problem = ""
        self._read = read
        self._value: T | None = None
        self._seen: tuple[Path, int, int, int] | None = None

    def get(self, path: Path) -> T | None:
        """What is in the file; what was in it when it cannot be read; None when there is none."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            self._value, self._seen, self.problem = None, None, ""
            return None
        except OSError as error:
            self.problem = f"{path}: {error.strerror}"
            return self._value
        seen = (path, found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            try:
                self._value, self.problem = self._read(path), ""
            except FileNotFoundError:  # thinned out or replaced between the two looks
                return self._value
            except OSError as error:
                self.problem = f"{path}: {error.strerror}"
                return self._value
            except ValueError as error:
                self.problem = f"{path}: {error}"
            self._seen = seen
        return self._value
