"""What becomes of a teacher's answers: the rules look at each once, and so does the judge, where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from egm_core.asking.job import Answer
from egm_core.curate.provenance import Failure
from egm_core.curate.reason.again import by_form
from egm_core.curate.reason.answers import Kept, taken
from egm_core.curate.reason.judging import Judge, Verdict, judged
from egm_core.curate.reason.questions import Question

Outcome = Kept | Failure | Verdict


class Weighing:
    """The outcomes of answers, by the keys of the questions that wait for them; several samples may have one key."""

    def __init__(self, waiting: Mapping[str, Sequence[Question]], terms: str, judge: Judge | None = None) -> None:
        self._waiting, self._terms, self._judge = waiting, terms, judge
        self._known: dict[str, tuple[Answer, list[Outcome]]] = {}

    def outcomes(self, came: Mapping[str, Answer]) -> dict[str, list[Outcome]]:
        """Give what becomes of some answers; the judge is asked about all new ones at once."""
        to_judge = self._judge is not None and not self._judge.strict
        # Rules take longer than anything else here, and a verdict costs money.
        new = [key for key, answer in came.items() if key not in self._known or self._known[key][0] is not answer]
        for key in new:
            found = [taken(question, came[key], self._terms, to_judge) for question in self._waiting[key]]
            self._known[key] = came[key], list(found)
        if self._judge is not None:
            self._have_judged([self._known[key][1] for key in new], self._judge)
        return {key: self._known[key][1] for key in came}

    def wrong(self, came: Mapping[str, Answer]) -> set[str]:
        """Tell which answers another draw may mend."""
        return {key for key, found in self.outcomes(came).items() if all(map(_to_ask_anew, found))}

    @staticmethod
    def _have_judged(new: Sequence[list[Outcome]], judge: Judge) -> None:
        texts = [one for found in new for one in found if isinstance(one, Kept)]
        if not texts:
            return
        verdicts = iter(judged(texts, judge))
        for found in new:
            found[:] = [next(verdicts) if isinstance(one, Kept) else one for one in found]


def _to_ask_anew(outcome: Outcome) -> bool:
    """Tell whether an outcome is a failure by form, or of a text that both the rules and the judge are against."""
    if isinstance(outcome, Verdict):
        return outcome.condemned and bool(outcome.text.suspected)
    return isinstance(outcome, Failure) and by_form(outcome)
