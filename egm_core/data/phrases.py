"""Words of expressions: their plain spelling, and the noun that says what is asked for."""

from __future__ import annotations

import re
import unicodedata

_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-", "\u00a0": " "})
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
ARTICLE = re.compile(r"^(?:the|a|an|this|that|its|his|her|their)\s+")
# Where the noun of an expression ends: what follows says where it is, not what it is.
_AFTER_NOUN = re.compile(
    r"\b(?:with|without|of|on|in|at|to|left|right|near|nearest|nearer|closest|farthest|behind|beside|between|under|"
    r"underneath|below|beneath|above|over|by|next|from|for|that|which|who|whose|where|is|are|was|wearing|holding|"
    r"standing|sitting|lying|leaning|hanging|showing|facing|passing|partly|hidden|against|among|inside|outside|"
    r"around|across|along|beyond|having|made|before|after|saying|labelled|labeled|marked|painted|parked|covered)\b"
)

# Hidden or covered before the noun, as in "partly hidden mug", says what it is like; after it, as in "mug hidden by a
# box", where it is.
_STATE = re.compile(
    r"\b(?:(?:\w+ly|half|almost|well) )?(?:hidden|covered) "
    r"(?!(?:by|behind|under|in|from|with|and|at|on|below|beneath|beyond|of|to|or|but|as|left|right|next|near)\b)(?=\w)"
)


def plain(text: str) -> str:
    """Give a text in small letters with plain quotes, dashes and single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_PLAIN).lower().split())


def words(text: str) -> list[str]:
    """List the words of a text."""
    return _WORD.findall(text)


def noun(phrase: str) -> str:
    """Give the noun of a phrase with its adjectives: "red mug" of "the red mug left of the box"."""
    bare = ARTICLE.sub("", plain(phrase)).strip(" .\"'")
    cut = _AFTER_NOUN.search(_STATE.sub(lambda state: "_" * len(state[0]), bare), 1)
    return bare[: cut.start()].strip(" ,(") if cut else bare


def head(phrase: str) -> str:
    """Give the last word of a phrase's noun: "mug"."""
    found = words(noun(phrase))
    return found[-1] if found else ""
