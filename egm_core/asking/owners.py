"""Who is asking into a store: each process holds a lock on a file of its own, which the system takes from the dead."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Owner:
    """This process among those that share a store; its `name` is on what it claims."""

    def __init__(self, store: Path) -> None:
        self.name = uuid.uuid4().hex[:12]
        self._path = _file(store, self.name)
        self._lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Leave the store."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)


def living(store: Path) -> list[str]:
    """Name the owners that are still there, and clear away what the others left; call it under `exclusive`."""
    names = []
    for file in store.parent.glob(f"{store.name}.owner-*"):
        try:
            lock = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            # It has just left.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            names.append(file.name.rpartition("-")[2])
        else:
            file.unlink(missing_ok=True)
        finally:
            os.close(lock)
    return names


@contextmanager
def exclusive(store: Path) -> Iterator[None]:
    """Keep other processes out while owners come and are counted."""
    with open(store.with_name(f"{store.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _file(store: Path, name: str) -> Path:
    return store.with_name(f"{store.name}.owner-{name}")
