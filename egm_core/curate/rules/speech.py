"""Text that is no trace at all: refusals, errors of machines, and talk about the task."""

from __future__ import annotations

import re
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import OTHER, OWN, Plain, words

_WHY = {
    "refusal": "refuses, or asks back",
    "error": "is or cites an error of a machine",
    "meta": "speaks of the task or of the writer",
}
# What speaks of a scene has one of these, or words of the expression.
_OF_A_SCENE = re.compile(
    rf"{OWN}|{OTHER}|\b(?:objects?|things?|items?|ones?|shapes?|colou?rs?|edges?|side|left|right|its)\b"
)
_PATTERNS = {rule: re.compile(pattern) for rule, pattern in groups("speech").items()}


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find refusals, error texts and talk about the task."""
    for rule, pattern in _PATTERNS.items():
        found = pattern.search(trace.masked)
        if found and found[0].strip() not in facts.expression.lower():
            yield Finding(rule, _readable(found[0]), _WHY[rule])
    own = {word for word in words(facts.expression.lower()) if len(word) > 3}
    if not _OF_A_SCENE.search(trace.masked) and not own & set(words(trace.whole)):
        yield Finding("meta", trace.whole[:40], "speaks of no thing of the scene")


def _readable(said: str) -> str:
    return said.replace(OWN, "it").replace(OTHER, "another").strip()
