"""Questions whose answer failed by its form, asked anew: another draw of the same model may be whole and clean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from hashlib import blake2b
from itertools import count

from egm_core.asking.job import Answer, Job
from egm_core.curate.provenance import Failure

# Whoever puts jobs to a teacher; every job comes back once, in any order.
Ask = Callable[[Iterable[Job]], Iterator[tuple[Job, Answer]]]
# Tells of some answers, by their questions' keys, which are to be asked for anew.
Wrong = Callable[[Mapping[str, Answer]], Set[str]]
# The steps of failures by form: cut off, unreadable, or against a rule. Verdicts such as "not unique" have others.
FORM = ("whole", "formed", "clean", "expressed", "verified")
# These are named after such a step, and no other draw would change them.
VERDICTS = ("expressed:", "verified:")


def by_form(failure: Failure) -> bool:
    """Tell whether a failure is one of form, which the next draw need not have."""
    return failure.step.partition(":")[0] in FORM and not failure.step.startswith(VERDICTS)


def another(job: Job, turn: int) -> Job:
    """Ask the same by another seed: a question of its own, with a key of its own."""
    seed = (job.sampling.seed or 0) + turn
    key = blake2b(f"{job.key} turn {turn} seed {seed}".encode(), digest_size=16).hexdigest()
    return replace(job, key=key, sampling=replace(job.sampling, seed=seed))


def put(
    jobs: Iterable[Job],
    ask: Ask,
    wrong: Wrong,
    retries: int = 0,
    known: Set[str] = frozenset(),
) -> dict[str, Answer]:
    """Put jobs, and give each one's answer by its key; what is `wrong` is asked for anew, `retries` times at most.

    An answer of a later turn has that turn's key. `known` are keys with an answer of an earlier run: these spend none
    of the retries, so that every run asks at least once more for what is still wrong.
    """
    first: dict[str, Job] = {}

    def noted() -> Iterator[Job]:
        for job in jobs:
            first[job.key] = job
            yield job

    came = {job.key: answer for job, answer in ask(noted())}
    spent: Counter[str] = Counter()
    for turn in count(1):
        old = {key for key, answer in came.items() if answer.key in known}
        may = {key: came[key] for key in first if key in came and (key in old or spent[key] < retries)}
        bad = wrong(may) if may else frozenset()
        left = [first[key] for key in may if key in bad]
        if not left:
            break
        spent.update(job.key for job in left if job.key not in old)
        owner = {another(job, turn).key: job.key for job in left}
        came |= {owner[job.key]: answer for job, answer in ask(another(job, turn) for job in left)}
    return came
