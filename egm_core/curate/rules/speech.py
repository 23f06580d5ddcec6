"""Text that is no trace at all: refusals, errors of machines, and talk about the task."""

from __future__ import annotations

import re
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import OTHER, OWN, Plain

_WHY = {
    "refusal": "refuses, or asks back",
    "error": "is or cites an error of a machine",
    "meta": "speaks of the task or of the writer",
}
_PATTERNS = {rule: re.compile(pattern) for rule, pattern in groups("speech").items()}


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find refusals, error texts and talk about the task."""
    for rule, pattern in _PATTERNS.items():
        found = pattern.search(trace.masked)
        if found and found[0].strip() not in facts.expression.lower():
            yield Finding(rule, _readable(found[0]), _WHY[rule])


def _readable(words: str) -> str:
    return words.replace(OWN, "it").replace(OTHER, "another").strip()
