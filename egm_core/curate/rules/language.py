"""Traces, or parts of them, in another language than English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import listed
from egm_core.curate.rules.text import OTHER, OWN, Plain
from egm_core.data.phrases import plain, words

_WORDS = listed("languages")
_ENGLISH = frozenset(_WORDS["english"].split())
_LANGUAGES = {
    language: frozenset(plain(text).split()) - _ENGLISH - frozenset(_WORDS["ambiguous"].split())
    for language, text in _WORDS["foreign"].items()
}
# A run of so many words of English has a common one among them.
WINDOW = 9


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find letters of other scripts, and runs of words that are not English."""
    allowed = set(plain(" ".join((facts.expression, *facts.occluders, *facts.others))))
    strange = [
        letter
        for letter in trace.whole
        if letter.isalpha() and letter not in allowed and not unicodedata.name(letter, "").startswith("LATIN")
    ]
    if strange:
        yield Finding("language", "".join(strange[:20]), "has letters of another script")
        return
    # Where the expression's quotes are foreign, as a shop's sign is, what is quoted stays out of it.
    own = {*words(plain(facts.expression)), OWN, OTHER}
    spoken = [word for word in words(re.sub(r'"[^"]*"', " ", trace.masked)) if word not in own]
    for language, known in _LANGUAGES.items():
        hits = [word for word in spoken if word in known]
        if len(hits) >= 3 and len(set(hits)) >= 2 and _dense(spoken, known):
            yield Finding("language", " ".join(hits[:6]), f"has words of another language, as of {language}")
            return
    accented = [word for word in spoken if any("LATIN" in unicodedata.name(one, "") and ord(one) > 127 for one in word)]
    if len(set(accented)) >= 3:
        yield Finding("language", " ".join(accented[:6]), "has many letters that English does not have")
        return
    share = sum(word in _ENGLISH for word in spoken) / max(len(spoken), 1)
    foreign = {word for word in spoken if any(word in known for known in _LANGUAGES.values())}
    if len(spoken) >= 5 and ((accented and share < 0.3) or (len(foreign) >= 2 and share < 0.2)):
        yield Finding("language", " ".join([*accented, *sorted(foreign)][:6]), "is mostly not English")
        return
    for start in range(len(spoken) - WINDOW + 1):
        run = spoken[start : start + WINDOW]
        if not any(word in _ENGLISH or word.endswith("'s") for word in run):
            yield Finding("language", " ".join(run), "is a long run without any common word of English")
            return
    if len(spoken) >= 5 and share < 0.12:
        yield Finding("language", " ".join(spoken[:8]), "has hardly any common word of English")


def _dense(spoken: list[str], known: frozenset[str]) -> bool:
    """Tell whether foreign words stand together: three of them within a window."""
    marks = [word in known for word in spoken]
    return any(sum(marks[start : start + 2 * WINDOW]) >= 3 for start in range(max(1, len(marks) - WINDOW)))
