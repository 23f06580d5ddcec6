"""Text that is no trace at all: refusals, errors of machines, and talk about the task."""

from __future__ import annotations

import re
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import OTHER, OWN, Plain
from egm_core.data.phrases import words

_WHY = {
    "refusal": "refuses, or asks back",
    "error": "is or cites an error of a machine",
    "meta": "speaks of the task or of the writer",
}
# What speaks of a scene has one of these, or words of the expression.
_OF_A_SCENE = re.compile(
    rf"{OWN}|{OTHER}|\b(?:objects?|things?|items?|ones?|shapes?|colou?rs?|edges?|side|left|right|its)\b"
)
_THINGS = re.compile(rf"{OWN}|{OTHER}|\b(?:left|right|red|green|blue|yellow|white|black|brown|gr[ae]y)\b")
_GROUPS = groups("speech")
_PATTERNS = {rule: re.compile(_GROUPS[rule]) for rule in _WHY}
_UNLESS_FOUND = re.compile(_GROUPS["refusal_unless_found"])
_UNLESS_OF_A_SCENE = re.compile(_GROUPS["error_unless_of_a_scene"])
_SENTENCE = re.compile(r"[.!?]+\s+")
# A refusal's part that says nothing, and a trace's part that says where the object is or how far it goes.
_CLAUSE = re.compile(
    r"[.!?;:]+\s+|,? (?:but|yet|so|still|though|although|while|whereas|nevertheless|however)\b,?|, (?=and\b)"
)
_DENIED = re.compile(_GROUPS["denied"])
_FOUND = re.compile(_GROUPS["found"])


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find refusals, error texts and talk about the task."""
    for rule, pattern in _PATTERNS.items():
        found = pattern.search(trace.masked)
        if not found and rule == "refusal" and not _resolved(trace.masked):
            found = _UNLESS_FOUND.search(trace.masked)
        if not found and rule == "error":
            found = _of_a_machine(trace.masked)
        if found and found[0].strip() not in facts.expression.lower():
            yield Finding(rule, _readable(found[0]), _WHY[rule])
    own = {word for word in words(facts.expression.lower()) if len(word) > 3}
    if not _OF_A_SCENE.search(trace.masked) and not own & set(words(trace.whole)):
        yield Finding("meta", trace.whole[:40], "speaks of no thing of the scene")


def _resolved(text: str) -> bool:
    """Tell whether some clause says of the object what it is or where it goes, and denies nothing."""
    return any(
        _FOUND.search(clause) and not _DENIED.search(clause) and not _UNLESS_FOUND.search(clause)
        for clause in _CLAUSE.split(text)
        if clause
    )


def _of_a_machine(text: str) -> re.Match[str] | None:
    """Find a machine's word in a sentence that names no thing of the scene: a socket may be in a wall."""
    told = (sentence for sentence in _SENTENCE.split(text) if not _THINGS.search(sentence))
    return next((found for sentence in told if (found := _UNLESS_OF_A_SCENE.search(sentence))), None)


def _readable(said: str) -> str:
    return said.replace(OWN, "it").replace(OTHER, "another").strip()
