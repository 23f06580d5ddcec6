"""Commands that are killed at random moments, and whether the ledger and the server count the same afterwards."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from proof_server import Books

ROOT = Path(__file__).resolve().parents[2]
# What a dead command had sent reaches the server within this time.
SETTLING = 0.5


@dataclass(frozen=True)
class Row:
    """A ledger's row: whether it is answered, failed, free or being asked, and how often it was claimed."""

    state: str
    claims: int
    dollars: float


@dataclass(frozen=True)
class Moment:
    """The ledger and the server's books after a kill."""

    rows: Mapping[str, Row]
    requests: Counter[Hashable]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "egm_core", *words]


def surroundings() -> dict[str, str]:
    """Give an environment without a key: nothing leaves this machine."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}


def run(words: Sequence[str], log: Path) -> int:
    """Run a command to its end, with all it prints in a file; gives its status."""
    with log.open("a") as file:
        file.write(f"$ egm {' '.join(words)}\n")
        file.flush()
        done = subprocess.run(command(*words), stdout=file, stderr=file, cwd=ROOT, env=surroundings(), check=False)
    return done.returncode


def rows_of(ledger: Path) -> dict[str, Row]:
    if not ledger.exists():
        return {}
    with closing(sqlite3.connect(ledger)) as base:
        told = base.execute("SELECT key, state, attempts, spent + reserved FROM jobs").fetchall()
    return {key: Row(state, int(claims), float(dollars)) for key, state, claims, dollars in told}


def killed(words: Sequence[str], log: Path, ledger: Path, books: Books, times: int, seed: int) -> list[Moment]:
    """Start a command so often, and end it by SIGKILL at a random moment; gives what was found after each.

    The first moments are while it asks for reasoning, and the last four of ten while its judge is asked; every fifth is
    at any time since its start. A command that was done before its kill is no kill.
    """
    rng = random.Random(seed)
    moments: list[Moment] = []
    for number in range(times):
        counted = books.judged if number >= 0.6 * times else books.total
        began = counted()
        with log.open("a") as file:
            process = subprocess.Popen(
                command(*words), stdout=file, stderr=file, cwd=ROOT, env=surroundings(), start_new_session=True
            )
        if number % 5 != 4:
            while process.poll() is None and counted() == began:
                time.sleep(0.02)
            time.sleep(rng.uniform(0.05, 1.2))
        else:
            time.sleep(rng.uniform(0.5, 6.0))
        alive = process.poll() is None
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(SETTLING)
        if alive:
            moments.append(Moment(rows_of(ledger), books.copy()))
    return moments


def reconciled(
    moments: Sequence[Moment], end: Moment, name_of: Callable[[str], Hashable], unused: int = 0
) -> tuple[dict[str, int], list[str]]:
    """Hold a ledger against a server's books, question by question; gives the sums, and every difference.

    A claim comes before its request, so a kill may lie between both: then the row is still marked as being asked, and
    this claim alone has no request. So has a claim whose connection was closed before its request, of which the server
    saw `unused`. What was answered must never be asked again.
    """
    wrong: list[str] = []
    unsent: Counter[str] = Counter()
    unconnected = 0
    for moment in (*moments, end):
        for key, row in moment.rows.items():
            gap = row.claims - moment.requests[name_of(key)] - unsent[key]
            if gap == 1 and row.state != "asked" and unconnected < unused:
                unconnected += 1
            elif gap and not (gap == 1 and row.state == "asked"):
                wrong.append(f"{name_of(key)}: {row.claims} claims, {moment.requests[name_of(key)]} requests")
            unsent[key] += max(gap, 0)
            if row.state == "answered" and end.requests[name_of(key)] != moment.requests[name_of(key)]:
                wrong.append(f"{name_of(key)}: asked again after its answer was kept")
    known = {name_of(key) for key in end.rows}
    wrong += [f"{name}: asked, and not in the ledger" for name in end.requests if name not in known]
    sums = {
        "kills": len(moments),
        "claims": sum(row.claims for row in end.rows.values()),
        "cut_off_before_sending": sum(unsent.values()) - unconnected,
        "unconnected": unconnected,
        "requests": sum(end.requests.values()),
        "questions": len(end.requests),
        "ledger_questions": len(end.rows),
        "under_way_at_kills": sum(row.state == "asked" for moment in moments for row in moment.rows.values()),
    }
    return sums, wrong
