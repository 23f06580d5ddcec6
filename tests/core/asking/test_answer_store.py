"""The store: kills, several processes, other answers, damage, and money."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from egm_core.asking.job import Answer
from egm_core.asking.store import Bound, Store, StoreError, read_answers
from egm_core.engines.base import Token

ROOT = Path(__file__).parents[3]
ANSWER = Answer(
    "a", "It is there.", "stop", usage={"total_tokens": 7}, model="of-today", at=1.5, seconds=0.25,
    tokens=(Token("It", -0.5), Token(" is there.", None)),
)  # fmt: skip
FAILURE = Answer("b", error="the moon is in the wrong place")

# Claims and answers 0, 1, ... as fast as it can, and says each that it was told is kept.
WRITER = """
import sys
from pathlib import Path
from egm_core.asking.job import Answer
from egm_core.asking.store import Store
path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Store(path, {}) as store:
    for i in range(first, first + count):
        if store.claim(str(i)):
            store.add(Answer(str(i), "text " * 50), {"by": sys.argv[4]})
            print(i, flush=True)
"""


def writer(path: Path, first: int, count: int, name: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(count), name]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder/answers.sqlite"


def test_keeps_what_it_was_given(path: Path) -> None:
    with Store(path, {"model": "m", "sizes": (1, 2)}) as store:
        store.add(ANSWER, {"iou": 0.5, "free": ["JSON", None]})
        store.add(FAILURE)
        assert "a" in store and "b" not in store and "c" not in store and len(store) == 1
        with pytest.raises(ValueError, match="a was answered already"):
            store.add(ANSWER)
    with Store(path, {"model": "m", "sizes": [1, 2]}) as store:
        assert list(store.answers()) == [(ANSWER, {"iou": 0.5, "free": ["JSON", None]}), (FAILURE, None)]
        assert store.done() == {"a"} and store.done(failed=True) == {"a", "b"}
    assert list(read_answers(path)) == [(ANSWER, {"iou": 0.5, "free": ["JSON", None]}), (FAILURE, None)]
    assert sorted(p.name for p in path.parent.iterdir()) == ["answers.sqlite", "answers.sqlite.lock"]


def test_half_a_character_does_not_end_a_run(path: Path) -> None:
    with Store(path, {}) as store:
        store.add(Answer("a", "half a \ud800", tokens=(Token("\ud800"),)), "\ud800")
        ((answer, _),) = store.answers()
    assert answer.text == "half a \ufffd"


def test_what_failed_may_be_asked_again_and_what_is_answered_may_not(path: Path) -> None:
    with Store(path, {}) as store:
        for answer in (ANSWER, FAILURE):
            assert store.claim(answer.key) and not store.claim(answer.key)
            store.add(answer)
        assert not store.claim("a") and not store.claim("b", again=False) and store.claim("b")
        store.add(Answer("b", "after all"))
        assert store.done() == {"a", "b"} and store.attempts() == 3


def test_survives_a_kill_without_losing_what_it_said_was_kept(path: Path) -> None:
    process = writer(path, 0, 1_000_000)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    kept = {line.strip() for line in told if line.endswith("\n")}
    with Store(path, {}) as store:
        # The one that was kept when the kill came may not have been told of.
        assert kept <= store.done() and len(store) <= len(kept) + 1
        assert all(answer.text == "text " * 50 for answer, _ in store.answers())
        assert store.claim(str(len(store))), "what the dead had claimed is free"


def test_processes_share_the_work_and_nothing_is_done_twice(path: Path) -> None:
    together = [writer(path, 0, 300, name) for name in "xyz"]
    said = [process.communicate()[0].split() for process in together]
    assert [process.returncode for process in together] == [0, 0, 0]
    assert sorted(int(key) for part in said for key in part) == list(range(300))
    by = [payload["by"] for _, payload in read_answers(path)]
    assert {name: by.count(name) for name in "xyz"} == {name: len(part) for name, part in zip("xyz", said, strict=True)}


def test_a_claim_holds_as_long_as_its_owner_lives(path: Path) -> None:
    first = Store(path, {})
    assert first.claim("a")
    with Store(path, {}) as second:
        assert not second.claim("a")
        first.close()
        assert second.claim("a")


def test_the_claims_of_a_process_that_was_killed_are_freed_by_a_sweep(path: Path) -> None:
    script = WRITER.replace("store.add", "print('claimed', flush=True); __import__('time').sleep(600); store.add")
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path), "0", "1", ""],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "claimed\n"
    with Store(path, {}) as store:
        store.sweep()
        assert not store.claim("0")
        process.kill()
        process.wait()
        store.sweep()
        assert store.claim("0")
    assert not list(path.parent.glob("*owner*"))


def test_other_answers_are_refused_by_name(path: Path) -> None:
    with Store(path, {"weights": "one"}):
        pass
    for other in ({"weights": "two"}, {}, {"weights": "one", "prompt": "p"}):
        with pytest.raises(StoreError, match=r"holds answers for (weights 'one'|prompt None), and now it is .*; name"):
            Store(path, other)
    with Store(path, {"weights": "one"}) as store:
        assert len(store) == 0, "a store that was refused is free again"


def test_what_is_no_store_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but text that is long enough to be told from one" * 20)
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE contacts (name TEXT)")
    other.close()
    for name, message in (("text", "move the file away"), ("other", "is no store of answers")):
        with pytest.raises(StoreError, match=message):
            Store(tmp_path / name, {})
        with pytest.raises(StoreError, match=message):
            list(read_answers(tmp_path / name))
    with sqlite3.connect(tmp_path / "versioned") as versioned:
        versioned.execute("CREATE TABLE jobs (key TEXT)")
        versioned.execute("PRAGMA user_version = 1")
    versioned.close()
    with pytest.raises(StoreError, match="is no store of answers that this version can read"):
        Store(tmp_path / "versioned", {})
    with pytest.raises(StoreError, match=r"is a folder; name the file of the answers, such as .*answers\.sqlite"):
        Store(tmp_path, {})
    with pytest.raises(StoreError, match="there are no answers at"):
        list(read_answers(tmp_path / "nowhere"))
    assert (tmp_path / "text").read_text().startswith("no database")


def test_a_torn_file_is_refused_with_a_remedy(path: Path) -> None:
    with Store(path, {}) as store:
        for i in range(200):
            store.add(Answer(str(i), "text " * 50))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"cannot be read as answers .*recover"):
        list(read_answers(path))


@pytest.mark.parametrize("column", ["tokens", "usage", "payload", "text"])
@pytest.mark.parametrize("opened", [False, True], ids=["read", "open"])
def test_a_damaged_answer_is_named(path: Path, column: str, opened: bool) -> None:
    """A file that was cut short by some bytes keeps its order: JSON's own error was all that was said."""
    with Store(path, {}) as store:
        store.add(ANSWER)
        wrong = "CAST(x'fffe41' AS TEXT)" if column == "text" else "'[{\"a\": 1'"
        store._base.execute(f"UPDATE jobs SET {column} = {wrong}")
        with pytest.raises(StoreError, match=rf"{path.name}.*(the answer a: |decode to UTF-8).*recover"):
            list(store.answers() if opened else read_answers(path))


def test_a_full_disk_is_said_and_not_a_traceback(path: Path) -> None:
    with Store(path, {}) as store:
        pages = store._base.execute("PRAGMA page_count").fetchone()[0]
        store._base.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreError, match="disk is full; what was answered until now is kept"):
            for i in range(1000):
                store.add(Answer(str(i), "text " * 500))


def test_reading_goes_on_beside_writing_and_leaves_nothing(path: Path) -> None:
    with Store(path, {}) as store:
        store.add(ANSWER)
        assert [answer.key for answer, _ in read_answers(path)] == ["a"]
    before = sorted(path.parent.iterdir())
    assert [answer.key for answer, _ in read_answers(path)] == ["a"]
    assert sorted(path.parent.iterdir()) == before


def test_reads_where_nothing_can_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path, {}) as store:
        store.add(ANSWER)
    # Root may write anywhere, so the file is only said to be closed to us.
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = sorted(path.parent.iterdir())
    reading = read_answers(path)
    assert next(reading)[0].key == "a" and sorted(path.parent.iterdir()) == before


def test_keeps_account_of_what_is_reserved_and_spent(path: Path) -> None:
    with Store(path, {}) as store:
        assert store.claim("a", reserve=0.5) and store.claim("b", reserve=0.25) and store.claim("c", reserve=0.125)
        assert store.money() == (0.0, 0.875)
        store.add(ANSWER, spent=0.3)
        store.add(FAILURE, spent=0.1)
        assert store.money() == (pytest.approx(0.4), 0.125)
        assert store.claim("b", reserve=0.25)
        store.add(Answer("b", "after all"), spent=0.2)
        assert store.money() == (pytest.approx(0.6), 0.125)
    with Store(path, {}) as store:
        # Nobody knows whether what was cut off was billed.
        assert store.money() == (pytest.approx(0.725), 0.0)


@pytest.mark.parametrize("bound", [Bound(attempts=40), Bound(price=20.0), Bound(attempts=40, price=1000.0)])
def test_a_bound_is_never_passed_however_many_ask_at_once(path: Path, bound: Bound) -> None:
    def asking(first: int) -> int:
        with Store(path, {}) as store:
            start.wait()
            taken = [key for key in map(str, range(first, first + 60)) if store.claim(key, 0.5, within=bound)]
            again = [store.again(key, 0.5, bound) for key in taken]
            for key, twice in zip(taken, again, strict=True):
                store.add(Answer(key, "x"), spent=1.0 if twice else 0.5)
            return len(taken) + sum(again)

    start = threading.Barrier(3)
    with ThreadPoolExecutor(3) as pool:
        counted = sum(pool.map(asking, (0, 40, 100)))
    with Store(path, {}) as store:
        assert store.attempts() == counted == 40
        assert not store.fits(0.5, bound) and store.fits(0.5)
        assert not store.claim("one more", 0.5, within=bound) and store.claim("one more", 0.5)


def test_thousands_of_answers_take_no_time(path: Path) -> None:
    began = time.monotonic()
    with Store(path, {}) as store:
        for i in range(5000):
            assert store.claim(str(i))
            store.add(ANSWER.__class__(str(i), json.dumps({"text": "x" * 200})), {"i": i})
    assert time.monotonic() - began < 20
