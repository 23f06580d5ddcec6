"""A disk that is full: the words stay, and no file of an owner is left behind."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from egm_core.asking.job import Answer
from egm_core.asking.store import Store, StoreError
from egm_core.console import attempt
from egm_core.sample.whole import written


class Full:
    """A connection to a file on a disk that has become full."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self.base = base

    def execute(self, *arguments: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    def close(self) -> None:
        self.base.close()


def test_it_is_said_in_words_also_where_the_store_is_closed(tmp_path: Path) -> None:
    words = "disk is full; what was answered until now is kept"
    with pytest.raises(StoreError, match=words), Store(tmp_path / "answers.sqlite", {}) as store:
        store.claim("a")
        store._base = Full(store._base)  # type: ignore[assignment]
        store.add(Answer("a", "it"))
    assert not list(tmp_path.glob("*.owner-*"))


def test_closing_alone_says_it_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "answers.sqlite", {})
    store._base = Full(store._base)  # type: ignore[assignment]
    for call in (store.money, store.done, store.errors, store.spent, store.changed_elsewhere, store.attempts):
        with pytest.raises(StoreError, match="disk is full"):
            call()
    with pytest.raises(StoreError, match="disk is full"):
        store.close()
    assert not list(tmp_path.glob("*.owner-*"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_the_file_that_a_full_disk_cannot_hold_is_named_with_the_remedy(
    code: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> int:
        with written(tmp_path / "reasoned.jsonl"):
            raise OSError(code, os.strerror(code))

    assert attempt(work) == 1
    assert f"{tmp_path / 'reasoned.jsonl'}: {os.strerror(code).lower()}; make room there" in caplog.text


def test_an_error_that_is_no_files_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError) as told, written(tmp_path / "reasoned.jsonl"):
        raise ConnectionResetError(errno.ECONNRESET, "connection reset")
    assert told.value.filename is None
