"""What a judge is shown and asked about one failure, and what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.asking.asker import Asker, ask_all
from egm_core.asking.job import Job
from egm_core.asking.store import Store
from egm_core.boxes import Box
from egm_core.engines.base import Sampling
from egm_core.evaluate.paper.failures import COMPLEX, REASONS
from egm_core.evaluate.results import Answered, Result
from egm_core.pictures.source import read

TRUTH, PREDICTION = (0, 200, 0), (230, 0, 0)
PROMPT = """A small model was asked to find in this picture: "{sent}".
The green frame is the right object. {prediction}
Why did the model fail? Choose one reason:
COMPLEX-PROMPT: the words are hard to understand, or several similar objects are there and the words that tell them
apart were not followed.
AMBIGUOUS-IMAGE: the picture or the words fit more than one object, or the object can hardly be made out.
SMALL-OBJECT: the right object is too small to be found.
GT-ERROR: the green frame is wrong, for it does not hold what the words ask for.
OTHER: none of these.
Think shortly, then end with one line of JSON: {{"reason": "..."}}"""
_WITH, _WITHOUT = "The red frame is what the model answered.", "The model answered no box."
_JSON = re.compile(r'"reason"\s*:\s*"([A-Za-z _-]+)"')


@dataclass(frozen=True)
class Failure:
    """One wrong answer: what was asked, its picture, the true box, and the predicted one where there is one."""

    answer: Answered

    @property
    def picture(self) -> str:
        """The picture's reference."""
        return str(self.answer.row["image"])

    @property
    def prompt(self) -> str:
        """The judge's question."""
        sent = self.answer.text.replace("{", "(").replace("}", ")")
        return PROMPT.format(sent=sent, prediction=_WITH if self.answer.box else _WITHOUT)

    @property
    def reference(self) -> dict[str, str | Box | None]:
        """What the picture with its frames is drawn from."""
        return {"picture": self.picture, "truth": self.answer.truth, "box": self.answer.box}

    def job(self, judge: str, max_tokens: int) -> Job:
        """Write the judge's job; its key holds all that the judge is shown."""
        sampling = Sampling(max_tokens=max_tokens)
        told = {"judge": judge, "prompt": self.prompt, **self.reference, "sampling": asdict(sampling)}
        key = blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()
        return Job.about_picture(key, self.reference, self.prompt, sampling=sampling)


def failures(result: Result) -> tuple[list[Failure], int]:
    """Give a result's wrong answers, and how many questions got none at all, which say nothing of the model."""
    wrong = [a for a in result.answers if a.truth is not None and not a.correct]
    judged = [Failure(a) for a in wrong if a.outcome != "failed"]
    return judged, len(wrong) - len(judged)


def part_of(found: Sequence[Failure], most: int | None) -> list[Failure]:
    """Draw a random part of failures, in their order; a larger part has all of a smaller one, so it asks only the rest.

    Those that stand first in a result are of its first files, splits and pictures.
    """
    if most is None or most >= len(found):
        return list(found)

    def place(failure: Failure) -> bytes:
        return blake2b(failure.answer.id.encode(), digest_size=8).digest()

    chosen = {id(failure) for failure in sorted(found, key=place)[:most]}
    return [failure for failure in found if id(failure) in chosen]


def framed(reference: Mapping[str, object]) -> NDArray[np.uint8]:
    """Read a picture and draw the true box in green and the predicted one in red."""
    image = np.ascontiguousarray(read(str(reference["picture"])))
    thick = max(2, round(max(image.shape[:2]) / 200))
    for name, colour in (("box", PREDICTION), ("truth", TRUTH)):
        box = reference[name]
        if isinstance(box, Sequence) and box:
            x0, y0, x1, y1 = (round(float(v)) for v in box)
            cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), colour, thick)
    return image


def reason_of(text: str) -> str | None:
    """Read which reason a judge chose: that of its last JSON, else the only one that it names; None where unclear."""
    chosen = [word.strip().upper().replace("_", "-").replace(" ", "-") for word in _JSON.findall(text)]
    if chosen:
        return chosen[-1] if chosen[-1] in REASONS else None
    named = {reason for reason in REASONS if re.search(rf"\b{reason}\b", text)}
    return named.pop() if len(named) == 1 else None


def judged(
    found: Sequence[Failure], judge: str, asker: Asker, file: Path, max_tokens: int
) -> tuple[dict[str, str], dict[str, int]]:
    """Ask one judge about all failures; gives its reasons by the question's id, and how many it left without one.

    Failures of one picture, words and boxes are asked about once: the reason is that of each. What an earlier run
    could not read is asked anew, under a key of its own, for an answer that is kept is never asked again.
    """
    by_job: dict[str, list[Failure]] = {}
    for failure in found:
        by_job.setdefault(failure.job(judge, max_tokens).key, []).append(failure)
    with Store(file, {"what": "judgements of egm evaluate failures", **asker.about}) as store:
        unread = {answer.key for answer, _ in store.answers() if not answer.error and not reason_of(answer.text)}
        alike = {_unasked(key, unread): several for key, several in by_job.items()}
        jobs = {key: replace(several[0].job(judge, max_tokens), key=key) for key, several in alike.items()}
        failed = ask_all(jobs, lambda job: job, asker, store, f"asking {judge}")
        answers = {answer.key: answer for answer, _ in store.answers() if not answer.error}
    reasons: dict[str, str] = {}
    unreadable = 0
    for key, several in alike.items():
        reason = reason_of(answers[key].text) if key in answers else None
        if reason:
            reasons |= {failure.answer.id: reason for failure in several}
        elif key in answers:
            unreadable += len(several)
    return reasons, {"unreadable": unreadable, "failed": sum(len(alike[key]) for key in failed)}


def _unasked(key: str, unread: Collection[str]) -> str:
    """Give a key, with the number of the attempt where the earlier ones were answered and could not be read."""
    return next(one for one in (f"{key}-{n}" if n else key for n in count()) if one not in unread)


def complex_by_most(judgements: Mapping[str, Mapping[str, str]], ids: Sequence[str]) -> list[str]:
    """Name the failures that more than half of the judges lay to the words."""
    return [one for one in ids if sum(told.get(one) == COMPLEX for told in judgements.values()) > len(judgements) / 2]
