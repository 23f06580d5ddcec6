"""What is left of an answer's wrapping: markup, tokens, keys, slots that nobody filled."""

from __future__ import annotations

import re
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import Plain

_PATTERNS = tuple(
    (why.replace("_", " "), re.compile(pattern, re.MULTILINE)) for why, pattern in groups("leftovers").items()
)


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find markup and other wrapping in a trace as it was written."""
    for why, pattern in _PATTERNS:
        found = pattern.search(trace.written)
        if found and found[0].strip() not in facts.expression:
            yield Finding("leftover", found[0].strip()[:60], why)
