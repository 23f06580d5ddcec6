"""Answers on disk, in SQLite: one transaction each, whole after any kill, shared by processes that ask side by side.

Every job has a row: free, claimed by a process that asks it (`asked`), `answered` or `failed`. Who asks claims first,
so nothing is asked twice; the claims of a process that is gone are freed by the next one. The row keeps what the job
may cost while it is asked, and what it has cost: a ledger. What a kill cut off may have been billed, and counts as
spent.

The log is written ahead (WAL), which only local disks can hold. A power cut may take the last seconds, a kill nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from egm_core.asking.job import Answer
from egm_core.asking.owners import Owner, exclusive, living
from egm_core.engines.base import Token

if TYPE_CHECKING:
    from typing import Self

VERSION = 1
BUSY_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('free', 'asked', 'answered', 'failed')),
    owner TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    reserved REAL NOT NULL DEFAULT 0,
    spent REAL NOT NULL DEFAULT 0,
    text TEXT NOT NULL DEFAULT '',
    finish TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    usage TEXT NOT NULL DEFAULT '{}',
    model TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    tokens TEXT NOT NULL DEFAULT '[]',
    payload TEXT NOT NULL DEFAULT 'null'
);
CREATE INDEX IF NOT EXISTS asked ON jobs (owner) WHERE state = 'asked';
"""
_COLUMNS = "key, text, finish, error, usage, model, at, seconds, tokens, payload"
_FREE = "UPDATE jobs SET state = 'free', owner = '', spent = spent + reserved, reserved = 0 WHERE state = 'asked' AND "


def files_of(path: Path) -> list[Path]:
    """Name a store's file and those that lie beside it while it is open."""
    return [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))]


class StoreError(ValueError):
    """A store that cannot be used; the text says which, why, and what to do."""


@dataclass(frozen=True)
class Bound:
    """The most that all jobs of a store may have cost, over all runs and processes; None is without limit.

    `attempts` counts questions that were put, repeated ones too; `price` what is spent and reserved, in any unit.
    """

    attempts: int | None = None
    price: float | None = None


NO_BOUND = Bound()


class Store:
    """The answers in a file, open for more.

    `about` is what must not change while a store grows, such as the model's weights. Raises StoreError where the
    file holds other answers, or is none of ours.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self._data_version = -1
        if path.is_dir():
            raise StoreError(f"{path} is a folder; name the file of the answers, such as {path / 'answers.sqlite'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path), _trouble(path):
            self._base = _connected(path, f"file:{_quoted(path)}")
            try:
                self._prepare(about)
                self.owner = Owner(path)
            except BaseException:
                self._base.close()
                raise
        try:
            self.sweep()
        except BaseException:
            self._let_go()
            raise

    def _prepare(self, about: Mapping[str, Any]) -> None:
        version = _version(self._base, self.path)
        mode = self._base.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(f"{self.path} lies on a file system that cannot hold it ({mode}); name a local disk")
        self._base.execute("PRAGMA synchronous = NORMAL")
        if not version:
            self._base.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        told = json.loads(json.dumps(dict(about)))
        known = dict(self._base.execute("SELECT name, value FROM about"))
        for name in sorted({*known, *told}) if known else ():
            was = json.loads(known[name]) if name in known else None
            if was != told.get(name):
                raise StoreError(
                    f"{self.path} holds answers for {name} {was!r}, and now it is {told.get(name)!r}; name another "
                    "output, or delete that file to ask anew"
                )
        if not known:
            rows = [(name, json.dumps(value)) for name, value in told.items()]
            self._many("INSERT INTO about VALUES (?, ?)", rows)

    def sweep(self) -> None:
        """Free what processes that are gone have claimed."""
        with exclusive(self.path), _trouble(self.path):
            there = living(self.path)
            self._base.execute(f"{_FREE} owner NOT IN ({', '.join('?' * len(there))})", there)

    def claim(self, key: str, reserve: float = 0.0, again: bool = True, within: Bound = NO_BOUND) -> bool:
        """Take a job to ask it, if it is free, or failed and `again`; its price is reserved until it is answered.

        False also where it would lead beyond `within`, as `fits` tells.
        """
        free = "('free', 'failed')" if again else "('free')"
        with _trouble(self.path):
            return self._base.execute(f"{_CLAIM} {free}", self._asking(key, reserve, within)).rowcount == 1

    def fits(self, reserve: float = 0.0, within: Bound = NO_BOUND) -> bool:
        """Tell whether one more attempt at such a price stays within a bound."""
        with _trouble(self.path):
            return bool(self._base.execute(f"SELECT {_ROOM}", self._asking("", reserve, within)).fetchone()[0])

    def _asking(self, key: str, reserve: float, within: Bound) -> dict[str, Any]:
        told = {"key": key, "owner": self.owner.name, "reserve": reserve}
        return told | {"attempts": within.attempts, "price": within.price}

    def unclaim(self, key: str) -> None:
        """Free what this process has claimed and not asked after all: it was never under way, and costs nothing."""
        with _trouble(self.path):
            self._base.execute(_UNCLAIM, (key, self.owner.name))

    def again(self, key: str, reserve: float = 0.0, within: Bound = NO_BOUND) -> bool:
        """Count another attempt at a job that this process asks, its price reserved too; False beyond `within`."""
        with _trouble(self.path):
            return self._base.execute(_AGAIN, self._asking(key, reserve, within)).rowcount == 1

    def release(self) -> None:
        """Free what this process has claimed and not answered; what was reserved for it counts as spent."""
        with _trouble(self.path):
            self._base.execute(f"{_FREE} owner = ?", (self.owner.name,))

    def add(self, answer: Answer, payload: Any = None, spent: float = 0.0) -> None:
        """Keep an answer, with free JSON beside it and what it cost; ValueError where there is one already."""
        with _trouble(self.path):
            kept = self._base.execute(_ADD, _row(answer, payload, spent)).rowcount == 1
        if not kept:
            raise ValueError(f"{answer.key} was answered already")

    def add_all(self, answers: Iterable[tuple[Answer, Any]]) -> None:
        """Keep many answers in one transaction, such as those of another store."""
        with _trouble(self.path):
            self._many(_ADD, (_row(answer, payload, 0.0) for answer, payload in answers))

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany(statement, rows)

    def fail(self, finish: str, why: str) -> None:
        """Count answers that ended so as failed, to be asked anew, such as those that a server gave up."""
        with _trouble(self.path):
            self._base.execute(
                "UPDATE jobs SET state = 'failed', error = ? WHERE state = 'answered' AND finish = ?", (why, finish)
            )

    def done(self, failed: bool = False) -> set[str]:
        """Give the keys that are answered, and where asked for those that failed."""
        states = "('answered', 'failed')" if failed else "('answered')"
        with _trouble(self.path):
            return {key for (key,) in self._base.execute(f"SELECT key FROM jobs WHERE state IN {states}")}

    def errors(self) -> dict[str, str]:
        """Give the keys that failed, and why each did."""
        with _trouble(self.path):
            return dict(self._base.execute("SELECT key, error FROM jobs WHERE state = 'failed'"))

    def answers(self) -> Iterator[tuple[Answer, Any]]:
        """Give all answers, failures among them, with what lies beside each."""
        with _trouble(self.path):
            yield from _answers(self._base, self.path)

    def money(self) -> tuple[float, float]:
        """Give what was spent, and what is reserved for what is being asked."""
        with _trouble(self.path):
            spent, reserved = self._base.execute("SELECT total(spent), total(reserved) FROM jobs").fetchone()
        return float(spent), float(reserved)

    def spent(self) -> dict[str, float]:
        """Give what each job has cost, all its attempts together."""
        with _trouble(self.path):
            return dict(self._base.execute("SELECT key, spent FROM jobs").fetchall())

    def changed_elsewhere(self) -> bool:
        """Tell whether another process has written since this was last asked."""
        with _trouble(self.path):
            version = int(self._base.execute("PRAGMA data_version").fetchone()[0])
        changed, self._data_version = version != self._data_version, version
        return changed

    def attempts(self) -> int:
        """Count how often anything was claimed: no server can have been asked more often, but for repeated attempts."""
        with _trouble(self.path):
            return int(self._base.execute("SELECT total(attempts) FROM jobs").fetchone()[0])

    def __len__(self) -> int:
        with _trouble(self.path):
            return int(self._base.execute("SELECT count(*) FROM jobs WHERE state = 'answered'").fetchone()[0])

    def __contains__(self, key: str) -> bool:
        with _trouble(self.path):
            found = self._base.execute("SELECT 1 FROM jobs WHERE key = ? AND state = 'answered'", (key,))
            return found.fetchone() is not None

    def close(self) -> None:
        """Free this process's claims and let go of the file; what cannot be freed now is by the next process."""
        try:
            self.release()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self.owner.close()
        with _trouble(self.path):
            self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except StoreError:
            # Where the file failed before, its first words are the ones that help.
            if error is None:
                raise


def read_answers(path: Path) -> Iterator[tuple[Answer, Any]]:
    """Read a store's answers without asking for more, also while others write it; StoreError where it is none."""
    if not path.is_file():
        raise StoreError(f"there are no answers at {path}; name a file that was written by asking")
    with _trouble(path):
        # A folder that cannot be written has no place for the shared index of a log, and nobody writes one there.
        writable = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
        base = _connected(path, f"file:{_quoted(path)}?{'mode=rw' if writable else 'mode=ro&immutable=1'}")
        try:
            if not _version(base, path):
                raise StoreError(f"{path} holds no answers; name a file that was written by asking")
            yield from _answers(base, path)
        finally:
            base.close()


_ROOM = """
    (:attempts IS NULL OR (SELECT total(attempts) FROM jobs) < :attempts)
    AND (:price IS NULL OR (SELECT total(spent) + total(reserved) FROM jobs) + :reserve <= :price)
"""
# The bound is looked at in the statement that takes the job, or two processes would both take the last one.
_CLAIM = f"""
INSERT INTO jobs (key, state, owner, attempts, reserved) SELECT :key, 'asked', :owner, 1, :reserve WHERE {_ROOM}
ON CONFLICT (key) DO UPDATE SET
    state = 'asked', owner = excluded.owner, attempts = attempts + 1, reserved = excluded.reserved
WHERE state IN
"""
_UNCLAIM = """
UPDATE jobs SET state = 'free', owner = '', reserved = 0, attempts = attempts - 1
WHERE key = ? AND owner = ? AND state = 'asked'
"""
_AGAIN = f"""
UPDATE jobs SET attempts = attempts + 1, reserved = reserved + :reserve
WHERE key = :key AND owner = :owner AND state = 'asked' AND {_ROOM}
"""
_ADD = f"""
INSERT INTO jobs ({_COLUMNS}, state, spent) VALUES ({", ".join("?" * 12)}) ON CONFLICT (key) DO UPDATE SET
    text = excluded.text, finish = excluded.finish, error = excluded.error, usage = excluded.usage,
    model = excluded.model, at = excluded.at, seconds = excluded.seconds, tokens = excluded.tokens,
    payload = excluded.payload, state = excluded.state, spent = spent + excluded.spent, reserved = 0, owner = ''
WHERE state != 'answered'
"""


def _row(answer: Answer, payload: Any, spent: float) -> tuple[Any, ...]:
    tokens = json.dumps([[token.text, token.logprob] for token in answer.tokens])
    return (
        answer.key, _whole(answer.text), _whole(answer.finish), _whole(answer.error),
        json.dumps(_whole_all(answer.usage)), _whole(answer.model), answer.at, answer.seconds, tokens,
        json.dumps(payload), "failed" if answer.error else "answered", spent,
    )  # fmt: skip


def _answers(base: sqlite3.Connection, path: Path) -> Iterator[tuple[Answer, Any]]:
    for row in base.execute(f"SELECT {_COLUMNS} FROM jobs WHERE state IN ('answered', 'failed') ORDER BY rowid"):
        key, text, finish, error, usage, model, at, seconds, tokens, payload = row
        try:
            logged = tuple(Token(*token) for token in json.loads(tokens))
            told, beside = _whole_all(json.loads(usage)), json.loads(payload)
        except (ValueError, TypeError) as wrong:
            # A file that was cut short may keep its order, and lose what its last pages hold.
            raise _unreadable(path, f"the answer {str(key)[:80]}: {wrong}") from wrong
        yield Answer(key, text, finish, error, told, model, at, seconds, logged), beside


def _whole(text: str) -> str:
    """Replace halves of characters, which JSON may hold and a file may not."""
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text) if _halves(text) else text


def _halves(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _whole_all(value: Any) -> Any:
    """Replace halves of characters in all texts of a JSON value."""
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, dict):
        return {_whole(name): _whole_all(one) for name, one in value.items()}
    return [_whole_all(one) for one in value] if isinstance(value, list) else value


def _connected(path: Path, address: str) -> sqlite3.Connection:
    # Connections of Python's sqlite3 may be shared by threads; every call here is one statement or one transaction.
    return sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _version(base: sqlite3.Connection, path: Path) -> int:
    """Give the version of a store's layout, 0 for an empty file."""
    version = int(base.execute("PRAGMA user_version").fetchone()[0])
    tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master")}
    ours = {"about", "jobs"} <= tables
    if version not in (0, VERSION) or ours != bool(version) or (tables and not version):
        raise StoreError(f"{path} is no store of answers that this version can read; name another file")
    return version


def _quoted(path: Path) -> str:
    return quote(str(path.absolute()))


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    """Say in words what is wrong with a file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # To run again would not help: the text that is there is none.
        if "decode to UTF-8" in str(error):
            raise _unreadable(path, str(error)) from error
        raise StoreError(f"{path}: {error}; what was answered until now is kept, run again to go on") from error
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} cannot be read as answers ({why}); save what is left by `sqlite3 {path} .recover`, or move the file "
        "away to ask anew"
    )
