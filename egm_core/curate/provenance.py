"""Where curated text comes from: a line for each record, in a file beside the samples.

Samples stay what training reads, so nothing of this is a field of theirs. Line N of `X.provenance.jsonl` is about
record N of `X.jsonl`, and what failed is in `X.failures.jsonl`, never among the samples.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer
from egm_core.curate.prompts.prompt import Prompt
from egm_core.engines.http.sse import excerpt
from egm_core.sample.whole import written

# Steps of failures that got no answer at all: they are asked anew, where what did not pass is not.
NO_VERDICT = "judged:no_verdict"
NO_ANSWER = ("answered", "hits:failed", NO_VERDICT)


@dataclass(frozen=True)
class Provenance:
    """Where one record's text comes from.

    `key` is the ledger's, `prompt` has name and version, `model` is the name that came with the answer. `terms` are the
    teacher's name and licence. `answer` holds what the answer had beside the text that became the record's, and
    `verdicts` what checks said, by their names: an empty list or true is a pass; `suspected` is what rules held
    against a text that its judge let pass. `before` is where the record came from in earlier steps, such as its
    expression, the first step first.
    """

    key: str
    prompt: str
    task: str = ""
    model: str = ""
    terms: str = ""
    finish: str = ""
    at: float = 0.0
    seconds: float = 0.0
    usage: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    verdicts: dict[str, Any] = field(default_factory=dict)
    before: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, answer: Answer, prompt: Prompt, /, **more: Any) -> Provenance:
        """Take from an answer what it tells of itself."""
        return cls(
            key=answer.key,
            prompt=prompt.label,
            model=answer.model,
            finish=answer.finish,
            at=answer.at,
            seconds=answer.seconds,
            usage=answer.usage,
            **more,
        )

    def after(self, earlier: Provenance) -> Provenance:
        """Carry along what an earlier step told of the same record."""
        told = dataclasses.asdict(earlier)
        return dataclasses.replace(self, before=[*told.pop("before"), told])


@dataclass(frozen=True)
class Failure:
    """A sample that got no text: why, at which step, and what the teacher said, for people to look at."""

    key: str
    step: str
    why: str
    image: str = ""
    sent: str = ""
    task: str = ""
    said: str = ""


def beside(samples: Path, what: str = "provenance") -> Path:
    """Give the file beside a sample file: its provenance, or its failures."""
    return samples.with_name(f"{samples.stem}.{what}.jsonl")


def write_rates(samples: Path, found: Mapping[str, Any]) -> None:
    """Write the rates of a sample file's making beside it; the file appears when it is complete."""
    file = rates_file(samples)
    with written(file) as part:
        part.write_text(json.dumps(dict(found), indent=1), encoding="utf-8")


def rates_file(samples: Path) -> Path:
    """Give the file of rates beside a sample file."""
    return samples.with_name(f"{samples.stem}.rates.json")


def of_records(samples: Path, count: int) -> list[Provenance] | None:
    """Read what lies beside a sample file of `count` records; None where nothing does, ValueError where it differs."""
    file = beside(samples)
    if not file.is_file():
        return None
    found = list(read(file))
    if len(found) != count:
        raise ValueError(
            f"{file} has {len(found):,} lines and {samples.name} {count:,} records: write both anew, or move the first "
            "away to go on without it"
        )
    return found


def reasons(samples: Path) -> list[str]:
    """Say of the failures beside a sample file how many each step has, and one reason of it; most first."""
    file = beside(samples, "failures")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for line in lines:
        told = json.loads(line)
        counts[told["step"]] += 1
        first.setdefault(told["step"], excerpt(told["why"]))
    return [f"{count:,} did not pass: {step}, such as: {first[step]}" for step, count in counts.most_common()]


def write(path: Path, records: Iterable[Provenance | Failure]) -> None:
    """Write records, one a line; the file appears when it is complete."""
    with written(path) as part, part.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(dataclasses.asdict(record), ensure_ascii=False) + "\n")


def read(path: Path) -> Iterator[Provenance]:
    """Read what `write` wrote; ValueError names the line that is something else."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield Provenance(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}:{number}: not a provenance ({error})") from error
