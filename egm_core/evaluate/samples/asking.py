"""Putting questions to a model, each once: answers are kept by model, prompt, settings and the picture's pixels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from egm_core.asking.asker import Account, Asker, ask_all
from egm_core.asking.counted import CHARACTERS_PER_TOKEN, UNKNOWN, Most, estimated, is_count, told
from egm_core.asking.job import Answer, Job
from egm_core.asking.store import Bound, Store
from egm_core.engines.base import EngineError
from egm_core.evaluate.asking import Manner
from egm_core.evaluate.samples.pictures import Pictures, Seen
from egm_core.evaluate.samples.questions import Question
from egm_core.evaluate.samples.side_by_side import ATTEMPTS, LOST, SideBySide
from egm_core.families import Family, Task
from egm_core.families.base import Speaker
from egm_core.models.folder import ModelInfo


@dataclass(frozen=True)
class Budget:
    """The most that an answers file may have cost, over all runs; None is without limit.

    `tokens` counts prompts, pictures and answers: as the server told, else by an estimate.
    """

    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Planned:
    """A question with its job, or with what is wrong with its picture."""

    question: Question
    picture: Seen
    job: Job | None
    wrong: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of planned questions: an answer by the key of each job, why others failed, and how many were not asked.

    `requests` and `tokens` are what the answers file has cost in all. With `drawn` what was asked is a beginning of the
    order in which questions were put: where that is a random one, a random part.
    """

    answers: Mapping[str, Answer]
    failed: Mapping[str, str]
    unasked: int
    requests: int
    tokens: int
    drawn: bool = True


def shuffled(planned: Iterable[Planned], seed: int) -> list[Planned]:
    """Put questions in a random order of their pictures, the same for a seed whatever the order of the files.

    So each beginning is a random part, and a longer one has all of a shorter one. Questions about one picture stay
    together: it is read once, servers keep it, and intervals are by picture, too.
    """

    def place(one: Planned) -> bytes:
        return blake2b(f"{seed} {one.question.picture}".encode(), digest_size=8).digest()

    return sorted(planned, key=place)


def plan(
    questions: Sequence[Question], info: ModelInfo, manner: Manner, pictures: Pictures, model: Mapping[str, Any]
) -> list[Planned]:
    """Look at the pictures and write a job for each question; `model` says which model its key stands for."""
    seen = pictures.look(question.sample.picture for question in questions)
    planned = []
    for question in questions:
        sample = question.sample
        picture = seen[sample.picture]
        wrong = picture.unlike(sample.width, sample.height)
        if wrong:
            planned.append(Planned(question, picture, None, f"{sample.image}: {wrong}"))
            continue
        speaker = pictures.speaker.seeing(*picture.sent)
        prompt = prompt_of(info, speaker, sample.sent, question.task)
        told: dict[str, Any] = {"model": dict(model), "prompt": prompt, "picture": picture.digest, "sent": picture.sent}
        told |= {**manner.fields, "schema": speaker.schema}
        told["sampling"] = asdict(manner.sampling)
        key = blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()
        # Those of other vendors refuse to tell log-probabilities, or take money for them.
        logs = isinstance(speaker, Family)
        job = Job.about_picture(key, sample.picture, prompt, logprobs=logs, schema=speaker.schema, **manner.fields)
        planned.append(Planned(question, picture, job))
    return planned


def prompt_of(info: ModelInfo, speaker: Speaker, sent: str, task: Task) -> str:
    """Give a question's words: the model's own wording, else its family's."""
    own = info.prompts.get(task)
    return own.replace("{sent}", sent) if own else speaker.prompt(sent, task)


def ask(planned: Iterable[Planned], asker: Asker, file: Path, budget: Budget = Budget()) -> Outcome:
    """Ask what a file of answers lacks, within a budget; raises EngineError where the model is gone.

    What failed before is asked anew, last. Answers are kept at once, so a run that was killed goes on where it was.
    """
    jobs = {one.job.key: one for one in planned if one.job}
    with Store(file, {"what": "answers of egm evaluate", **asker.about}) as store:
        store.fail("abort", "the server gave the answer up half way")
        done, earlier = store.done(), store.errors()
        left = sorted((key for key in jobs if key not in done), key=lambda key: key in earlier)
        account = _account(store, jobs, budget, asker)
        failed = ask_all(
            {key: jobs[key] for key in left},
            _job,
            replace(asker, again=_counting(store, jobs, account)) if isinstance(asker, SideBySide) else asker,
            store,
            "asking",
            account=account,
        )
        known = {answer.key: answer for answer, _ in store.answers() if not answer.error}
        answers = {key: known[key] for key in jobs if key in known}
        unasked = sum(key not in answers and key not in failed for key in jobs)
        tokens = round(store.money()[0]) + _untold(store, jobs)
        # What failed before is asked last, and not out of its place.
        places = [key in answers or key in failed for key in jobs if key not in earlier]
        drawn = sorted(places, reverse=True) == places
        return Outcome(answers, failed, unasked, store.attempts(), tokens, drawn)


def _account(store: Store, jobs: Mapping[str, Planned], budget: Budget, asker: Asker) -> Account[Planned]:
    """Say what questions may cost and have cost; what this process answers by itself is billed by nobody."""
    billed = isinstance(asker, SideBySide) or budget.tokens is not None
    tokens = None if budget.tokens is None else budget.tokens - _untold(store, jobs)
    return Account(
        may=lambda planned: float(_most(planned) if billed else 0),
        did=lambda planned, answer: float(cost(answer, planned)),
        bound=Bound(budget.requests, tokens),
    )


def _counting(store: Store, jobs: Mapping[str, Planned], account: Account[Planned]) -> Callable[[str], bool]:
    """Have repeated attempts counted as requests too, and only made where the budget has room for them."""
    return lambda key: store.again(key, account.may(jobs[key]), account.bound)


def _job(planned: Planned) -> Job:
    if planned.job is None:
        raise EngineError("engine_request", planned.wrong)
    return planned.job


def _untold(store: Store, jobs: Mapping[str, Planned]) -> int:
    """Count what answers have cost whose rows do not say it, as those of earlier versions."""
    kept = store.spent()
    return sum(cost(answer, jobs.get(answer.key)) for answer, _ in store.answers() if not round(kept[answer.key]))


def _most(planned: Planned) -> int:
    """Count the tokens of a question and its longest answer."""
    return _asking(planned) + (planned.job.sampling.max_tokens if planned.job else 0)


def cost(answer: Answer, planned: Planned | None) -> int:
    """Count the tokens of a question, its answer and failed attempts, as the server told or by an estimate."""
    usage: Any = answer.usage if isinstance(answer.usage, dict) else {}
    most = Most(_asking(planned), planned.job.sampling.max_tokens) if planned and planned.job else UNKNOWN
    failed = usage.get(LOST)
    lost = int(failed) if is_count(failed) and failed <= ATTEMPTS * most.whole else 0
    if answer.error and lost:
        return lost
    counts = told(usage, answer.text, most)
    if counts:
        return sum(counts.values()) + lost
    # Without a prompt's, it is our own count of the tokens that came.
    own = usage.get("completion_tokens") if not {"prompt_tokens", "total_tokens"} & set(usage) else None
    said = (
        int(own)
        if is_count(own) and own > 0 and most.allows(0, own)
        else len(answer.tokens) or len(answer.text) // CHARACTERS_PER_TOKEN
    )
    return (_asking(planned) if planned else 0) + said + lost


def _asking(planned: Planned) -> int:
    """Estimate the tokens of a question: those of its picture and its words."""
    prompt = planned.job.single()[1] if planned.job else ""
    width, height = planned.picture.sent
    return estimated(width, height, prompt)
