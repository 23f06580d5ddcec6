"""Traces that are too short, too long, go round in circles, or stop in the middle."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.text import Plain, sentences
from egm_core.data.phrases import words

LEAST_WORDS, MOST_WORDS = 6, 140
# A trace of more sentences than this tells of looking, not of where the object is.
MOST_SENTENCES = 8
# A sentence of this many words that comes twice is a loop; a short one may.
LONG_SENTENCE = 6
_END = re.compile(r"[.!?][\"')\]]*$")
# Nobody ends a sentence with these, whatever mark follows.
_OPEN_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "and",
        "or",
        "but",
        "because",
        "although",
        "whereas",
        "whose",
        "its",
        "their",
        "my",
        "your",
        "than",
        "with",
        "into",
        "onto",
        "it's",
        "very",
    ]
)
_OPENING = re.compile(r"^(?:and|or|but|which|because|whereas|while|nor|than|of)\b|^[,;:)\]]|^\.\.\.|^…")


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find what is wrong with a trace's length and with its end."""
    spoken = words(trace.whole)
    if len(spoken) < LEAST_WORDS:
        yield Finding("length", trace.whole, f"has {len(spoken)} words, under {LEAST_WORDS}")
        return
    if len(spoken) > MOST_WORDS:
        yield Finding("length", f"{trace.whole[:40]} ...", f"has {len(spoken)} words, over {MOST_WORDS}")
    told = sentences(trace.whole)
    if len(told) > MOST_SENTENCES:
        yield Finding("length", f"{trace.whole[:40]} ...", f"has {len(told)} sentences, over {MOST_SENTENCES}")
    if looped := _loop(trace.whole, spoken):
        yield Finding("length", looped, "comes again and again")
    last = trace.whole.rstrip()
    if not _END.search(last) or last.endswith(("...", "…")):
        yield Finding("truncated", last[-40:], "does not end as a sentence does")
    elif spoken[-1] in _OPEN_WORDS and not last.endswith(('"', "'")):
        yield Finding("truncated", last[-40:], "ends in the middle of a sentence")
    if _OPENING.search(trace.written.lstrip(" \"'")):
        yield Finding("truncated", last[:40], "begins in the middle of a sentence")


def _loop(text: str, spoken: list[str]) -> str:
    """Give the words that a trace repeats too often; empty where it does not."""
    if found := re.search(r"\b(\w+)(?:\W+\1\b){3,}|(\S)\2{7,}", text):
        return found[0][:40]
    said = Counter(re.sub(r"\W+", " ", one).strip() for one in sentences(text))
    for sentence, count in said.most_common(3):
        if count >= 3 or (count == 2 and len(sentence.split()) >= LONG_SENTENCE):
            return sentence
    for size, most in ((3, 4), (5, 3), (8, 2)):
        grams = Counter(zip(*(spoken[start:] for start in range(size)), strict=False))
        if grams and (best := grams.most_common(1)[0])[1] >= most:
            return " ".join(best[0])
    if len(text) > 300 and len(zlib.compress(text.encode())) < 0.3 * len(text):
        return text[:40]
    return ""
