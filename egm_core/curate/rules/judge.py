"""All checks by rule, one after the other."""

from __future__ import annotations

from egm_core.curate.rules import drawing, language, leftovers, length, numbers, scene, speech
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.text import prepared

CHECKS = (speech.check, leftovers.check, length.check, language.check, numbers.check, drawing.check, scene.check)
RULES = ("refusal", "error", "meta", "leftover", "length", "truncated", "language", "numbers", "drawing",
         "wrong_object", "wrong_occluder", "wrong_side", "wrong_extent")  # fmt: skip
# Of what is longer than any text for training nothing but the length is looked at.
LONGEST = 4000


def judge(trace: str, facts: Facts) -> tuple[Finding, ...]:
    """Say all that is wrong with a trace; nothing where it may be trained on."""
    if len(trace) > LONGEST:
        return (Finding("length", f"{trace[:40]} ...", f"has {len(trace):,} characters, over {LONGEST:,}"),)
    text = prepared(trace, facts)
    return tuple(finding for check in CHECKS for finding in check(text, facts))
