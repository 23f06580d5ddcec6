"""How many answers each step let pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from egm_core.curate.provenance import Failure
from egm_core.curate.reason.answers import STEPS


def rates(questions: int, failures: Iterable[Failure]) -> dict[str, Any]:
    """Count what came to each step and what it let pass, and what the rules found."""
    failed = Counter(failure.step.partition(":")[0] for failure in failures)
    steps = []
    left = questions
    for step in STEPS:
        passed = left - failed[step]
        steps.append({"step": step, "in": left, "out": passed, "share": passed / left if left else None})
        left = passed
    rules = Counter(one.step.partition(":")[2] for one in failures if ":" in one.step)
    return {"questions": questions, "kept": left, "steps": steps, "rules": dict(rules.most_common())}


def table(found: dict[str, Any]) -> str:
    """Write the rates for a terminal."""
    lines = [f"{'step':10} {'in':>9} {'out':>9}   passed"]
    for step in found["steps"]:
        share = "-" if step["share"] is None else f"{step['share']:.1%}"
        lines.append(f"{step['step']:10} {step['in']:>9,} {step['out']:>9,}   {share}")
    if found["rules"]:
        lines += ["", "rejected by rule: " + ", ".join(f"{rule} {count:,}" for rule, count in found["rules"].items())]
    return "\n".join(lines)
