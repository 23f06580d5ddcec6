"""Where a command's questions go: to its teachers, or on a dry run to nobody; and what both cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.asking.store import Store
from egm_core.curate import provenance
from egm_core.curate.money.estimate import Estimate, estimate, summed
from egm_core.curate.money.tally import Tally
from egm_core.curate.reason.again import Ask
from egm_core.curate.teacher import Teacher, ask
from egm_core.curate.teacher.ask import ABOUT, settled
from egm_core.curate.teacher.terms import warning

NOT_ASKED = "not asked: a dry run"


@dataclass
class _Questions:
    """What one model would be asked."""

    teacher: Teacher
    part: str = ""
    texts: int = 1
    asked: set[str] = field(default_factory=set)
    lacking: dict[str, Job] = field(default_factory=dict)


class Desk:
    """Puts questions to teachers by one ledger. On a `dry` run nothing is asked, and known answers are followed."""

    def __init__(self, ledger: Path, dry: bool = False) -> None:
        self.ledger, self.dry = ledger, dry
        self._known: dict[str, Answer] = {}
        self._settled: frozenset[str] = frozenset()
        self._by_model: dict[tuple[str, str], _Questions] = {}
        self._spent, self._tally = 0.0, Tally()
        if ledger.is_file():
            with Store(ledger, ABOUT) as store:
                self._spent = store.money()[0]
                self._settled = frozenset(settled(store))
                if dry:
                    answers = (answer for answer, _ in store.answers())
                    self._known = {answer.key: answer for answer in answers if answer.key in self._settled}

    @property
    def settled(self) -> frozenset[str]:
        """The keys of what was answered before this run."""
        return self._settled

    def put(self, who: Teacher, title: str, part: str = "", texts: int = 1) -> Ask:
        """Give what puts jobs to a teacher, under a title; what it costs is told apart by model and `part`.

        `texts` is how many texts of one sample it may be asked about, one after the other.
        """
        questions = self._by_model.setdefault((who.model, part), _Questions(who, part, texts))

        def collect(jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
            for job in jobs:
                questions.asked.add(job.key)
                if job.key not in self._known:
                    questions.lacking[job.key] = job
                yield job, self._known.get(job.key) or Answer(job.key, error=NOT_ASKED)

        return collect if self.dry else lambda jobs: ask(jobs, who, self.ledger, title, self._tally)

    @contextmanager
    def output(self, out: Path) -> Iterator[Path]:
        """Give the file to write: on a dry run one that is thrown away."""
        if not self.dry:
            yield out
            return
        with TemporaryDirectory() as folder:
            yield Path(folder) / out.name

    def expected(self, title: str) -> str:
        """Say what was collected, what asking it will cost, and what all of it costs together."""
        asked = [one for one in self._by_model.values() if one.asked]
        found = [self._expected(one, title) for one in asked]
        told = [
            f"{part.told}\n  terms       {warning(one.teacher.model, one.teacher.told_terms) or one.teacher.terms}"
            for one, part in zip(asked, found, strict=True)
        ]
        limit = asked[0].teacher.limit if asked else None
        return "\n".join(filter(None, [*told, summed(found, limit, self._spent)]))

    def _expected(self, one: _Questions, title: str) -> Estimate:
        who, lacking = one.teacher, list(one.lacking.values())
        title = f"{title}, {one.part}" if one.part else title
        return estimate(
            lacking, who.model, who.price, title, len(one.asked), self.ledger, self._spent, who.retries, one.texts
        )

    def money(self) -> dict[str, Any]:
        """Give the dollars of this run and of its ledger, and how often something was asked, or could not be sent."""
        if not self.ledger.is_file():
            return {"run_usd": 0.0, "ledger_usd": 0.0, "requests": 0, "unsent": 0}
        with Store(self.ledger, ABOUT) as store:
            spent = store.money()[0]
        # Other runs may share the ledger, so its own growth tells nothing of this one.
        return {"run_usd": round(self._tally.dollars, 6), "ledger_usd": round(spent, 6),
                "requests": self._tally.requests, "unsent": self._tally.unsent}  # fmt: skip

    def spent(self) -> str:
        """Say what this run has cost."""
        told = self.money()
        unpriced = dict.fromkeys(name for (name, _), one in self._by_model.items() if one.teacher.price is None)
        none = f"; no price of {', '.join(unpriced)} is known, so its dollars are not counted" if unpriced else ""
        unsent = f"; {told['unsent']:,} could not be sent, for their images cannot be read" if told["unsent"] else ""
        return (
            f"asked {told['requests']:,} times for ${told['run_usd']:,.4f}; ${told['ledger_usd']:,.4f} is spent in "
            f"{self.ledger}{unsent}{none}"
        )

    def note(self, out: Path) -> None:
        """Write the dollars among the rates beside a sample file, and print them."""
        file = provenance.rates_file(out)
        found = json.loads(file.read_text(encoding="utf-8"))
        provenance.write_rates(out, {**found, "money": self.money()})
        print(self.spent())
