"""Asking for everything that a store lacks, and nothing twice, whoever answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from tqdm import tqdm

from egm_core.asking.job import Answer, Job
from egm_core.asking.store import NO_BOUND, Bound, Store
from egm_core.engines.base import EngineError

Emit = Callable[[Answer], None]
Item = TypeVar("Item")
Keep = Callable[[Item, Answer], tuple[Answer, Any]]
OTHERS_WAIT = 0.5


class Asker(Protocol):
    """Something that puts jobs to a model."""

    @property
    def about(self) -> dict[str, Any]:
        """Which model it is: what must be the same for two answers to belong together."""

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Give the answer of every job to `emit`, in any order; jobs are taken as they are needed.

        An answer with an `error` is a job that could not be put to the model. Raises EngineError where the model is
        gone.
        """


def whole(item: object, answer: Answer) -> tuple[Answer, None]:
    """Keep an answer as it is, with nothing beside it."""
    return answer, None


def nothing(item: object) -> float:
    """Reserve nothing."""
    return 0.0


def free(item: object, answer: Answer) -> float:
    """Count no cost."""
    return 0.0


@dataclass(frozen=True)
class Account(Generic[Item]):
    """What items cost: the most that one `may` cost, which is reserved, what its answer `did`, and the bound of all."""

    may: Callable[[Item], float] = nothing
    did: Callable[[Item, Answer], float] = free
    bound: Bound = NO_BOUND


def ask_all(
    items: Mapping[str, Item],
    job: Callable[[Item], Job],
    asker: Asker,
    store: Store,
    title: str,
    keep: Keep[Item] = whole,
    unit: str = "questions",
    account: Account[Item] = Account(),
) -> dict[str, str]:
    """Ask for what a store lacks of some items, by key; gives the keys that have no answer, and why.

    `keep` says what is stored of an answer, and what beside it. Nothing is asked that could lead beyond the account's
    bound: it has no answer then, and is not told as failed. What failed in an earlier run is asked anew, last. Where
    another process asks for the same, this one waits for its answers. Raises EngineError where the model is gone; what
    was answered until then is kept.
    """
    failed: dict[str, str] = {}
    # What a server refuses, or fails over, must not keep it from all others in each run anew.
    earlier = store.errors()
    items = {key: items[key] for key in sorted(items, key=lambda key: key in earlier)}
    with tqdm(total=len(items), desc=title, unit=f" {unit}", disable=None) as bar:
        while True:
            done = store.done()
            left = [key for key in items if key not in done and key not in failed]
            bar.n = len(items) - len(left)
            bar.refresh()
            if not left:
                return failed
            asked, answered, full = _pass(left, items, job, asker, store, keep, failed, bar, account)
            if answered < asked:
                raise EngineError("engine_failed", f"{asked - answered} of {asked} {unit} came back without a word")
            if not asked and full:
                return failed
            if not asked:
                # Somebody else asks them now, or has died while doing so.
                time.sleep(OTHERS_WAIT)
                store.sweep()


def _pass(
    left: list[str],
    items: Mapping[str, Item],
    job: Callable[[Item], Job],
    asker: Asker,
    store: Store,
    keep: Keep[Item],
    failed: dict[str, str],
    bar: Any,
    account: Account[Item],
) -> tuple[int, int, bool]:
    """Ask for what nobody asks yet; gives how many that were, how many came back, and whether the bound was met."""
    asked = answered = 0
    full = False

    def claimed() -> Iterator[Job]:
        nonlocal asked, full
        for key in left:
            price = account.may(items[key])
            if store.claim(key, price, within=account.bound):
                asked += 1
                yield job(items[key])
            elif not store.fits(price, account.bound):
                full = True
                return

    def emit(answer: Answer) -> None:
        nonlocal answered
        item = items[answer.key]
        store.add(*keep(item, answer), account.did(item, answer))
        if answer.error:
            failed[answer.key] = answer.error
        answered += 1
        bar.update()

    try:
        asker.ask(claimed(), emit)
    finally:
        store.release()
    return asked, answered, full
