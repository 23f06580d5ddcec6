"""How many answers each step let pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from egm_core.curate.provenance import Failure
from egm_core.curate.reason.answers import STEPS
from egm_core.curate.reason.judging import Judged


def rates(questions: int, failures: Iterable[Failure], judged: Judged | None = None) -> dict[str, Any]:
    """Count what came to each step and what it let pass, and what the rules and the judge, if there was one, found."""
    every = [*failures, *(judged.failed if judged else ())]
    failed = Counter(failure.step.partition(":")[0] for failure in every)
    steps = []
    left = questions
    for step in (*STEPS, "judged") if judged else STEPS:
        passed = left - failed[step]
        steps.append({"step": step, "in": left, "out": passed, "share": passed / left if left else None})
        left = passed
    rules = Counter(one.step.partition(":")[2] for one in every if one.step.startswith("clean:"))
    texts = next(step["in"] for step in steps if step["step"] == "clean")
    both = {"texts": texts, "by_rules": failed["clean"]}
    found = {"questions": questions, "kept": left, "steps": steps, "rules": dict(rules.most_common()), "caught": both}
    if judged:
        told = judged.counts()
        both |= {"by_judge": told["condemned"], "no_verdict": told["no_verdict"]}
        found["judge"] = told
    return found


def table(found: dict[str, Any]) -> str:
    """Write the rates for a terminal."""
    lines = [f"{'step':10} {'in':>9} {'out':>9}   passed"]
    for step in found["steps"]:
        share = "-" if step["share"] is None else f"{step['share']:.1%}"
        lines.append(f"{step['step']:10} {step['in']:>9,} {step['out']:>9,}   {share}")
    if found["rules"]:
        lines += ["", f"rejected by rule: {_counted(found['rules'])}"]
    if told := caught(found):
        lines += ["", *told]
    return "\n".join(lines)


def caught(found: Mapping[str, Any]) -> list[str]:
    """Say what the rules and the judge caught, and of how many texts; nothing where there was no judge."""
    if "judge" not in found:
        return []
    both, told = found["caught"], found["judge"]
    lines = [
        f"caught: {both['by_rules']:,} by the rules and {both['by_judge']:,} by the judge, of {both['texts']:,} texts"
    ]
    suspected = told.get("suspected", {})
    if suspected.get("texts"):
        lines.append(
            f"suspected by the rules: {suspected['texts']:,} texts; the judge freed {suspected['freed']:,} of them and "
            f"condemned {suspected['condemned']:,}"
        )
    if told["faults"]:
        lines.append(f"condemned for: {_counted(told['faults'])}")
    if told["no_verdict"]:
        lines.append(
            f"without a verdict: {told['no_verdict']:,}, kept apart in X.unjudged.jsonl; the same command asks again"
        )
    return lines


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
