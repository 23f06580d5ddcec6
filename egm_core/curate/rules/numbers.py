"""Numbers that the expression does not have: digits, brackets, and what is measured in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import Plain
from egm_core.data.phrases import plain, words

_DIGITS = re.compile(r"[0-9\u00bc-\u00be\u2150-\u215e\u2070-\u2089\u00b2\u00b3\u00b9\u2460-\u24ff]")
_SIGNS = re.compile(r"[%°×≈=±÷≤≥∼]|~\s*\w|\+/-")
_BRACKETS = re.compile(r"[\[\]{}<>⟨⟩【】]")
_PATTERNS = tuple(
    (why.replace("_", " "), re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])"))
    for why, pattern in groups("numbers").items()
)


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find digits, brackets and measures that are not among the words of the expression."""
    allowed = set(words(plain(" ".join((facts.expression, *facts.occluders, *facts.others)))))
    # A name of several words is out of the masked text already; a single number of it may stand alone.
    for word in re.findall(r"\S+", trace.masked):
        if _DIGITS.search(word) and not set(words(word)) <= allowed:
            yield Finding("numbers", word, "has digits that the expression does not have")
            break
    if found := _SIGNS.search(trace.masked):
        yield Finding("numbers", found[0], "has a sign of calculation")
    if (found := _BRACKETS.search(trace.masked)) and found[0] not in facts.expression:
        yield Finding("numbers", found[0], "has brackets")
    for why, pattern in _PATTERNS:
        for found in pattern.finditer(trace.masked):
            if not set(words(found[0])) <= allowed:
                yield Finding("numbers", found[0], why)
                break
