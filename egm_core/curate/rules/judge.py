"""All checks by rule, one after the other."""

from __future__ import annotations

from egm_core.curate.rules import drawing, language, leftovers, length, numbers, scene, speech
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.text import prepared

CHECKS = (speech.check, leftovers.check, length.check, language.check, numbers.check, drawing.check, scene.check)
RULES = ("refusal", "error", "meta", "leftover", "length", "truncated", "language", "numbers", "drawing",
         "wrong_object", "wrong_occluder", "wrong_side", "wrong_extent")  # fmt: skip
# These go by what words mean, of which a reader knows more than a rule. The others go by form, or, as `wrong_extent`,
# by what no judge is told.
SUSPICIONS = ("refusal", "meta", "drawing", "wrong_object", "wrong_occluder", "wrong_side")
# Of what is longer than any text for training nothing but the length is looked at.
LONGEST = 4000


def suspects(finding: Finding) -> bool:
    """Tell whether a finding is a suspicion, which a judge that reads the text may overrule."""
    return finding.rule in SUSPICIONS and not finding.named


def judge(trace: str, facts: Facts) -> tuple[Finding, ...]:
    """Say all that is wrong with a trace; nothing where it may be trained on."""
    if len(trace) > LONGEST:
        return (Finding("length", f"{trace[:40]} ...", f"has {len(trace):,} characters, over {LONGEST:,}"),)
    text = prepared(trace, facts)
    return tuple(finding for check in CHECKS for finding in check(text, facts))
