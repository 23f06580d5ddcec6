"""What a label says: the name of an object, or that there is none, which no box beside it can be squared with."""

from __future__ import annotations

import re

from egm_core.families.salvage.absence import EMPTY_WORDS, says_absent

_NOWHERE = (
    r"(?:not (?:found|present|visible|detected|there|here|available|applicable|in (?:the|this) (?:image|picture|scene))"
    r"|absent|none|null|missing|n/a|does not exist|no (?:such )?(?:object|match|detection|box))"
)
_EMPTY = re.compile(rf"(?:.*[(\[:,\u2013\u2014]\s*|.*\s-\s*)?{_NOWHERE}[)\]]?", re.DOTALL)
_RELATIVE = re.compile(r"\b(?:who|whose|whom|which|that|where)\b")
_OTHER_TONGUES = re.compile(
    r"(?:未|没有|没|无法)(?:找到|检测到|发现)?|不存在|无|nicht gefunden|no encontrad[oa]|non trouvée?"
)


def names_nothing(label: str, sent: str = "") -> bool:
    """Tell whether a label says that there is no such object; `sent` is what was asked, where that is known."""
    said, asked = _plain(label), _plain(sent)
    if not said or said == asked:
        return False
    if said in EMPTY_WORDS or _OTHER_TONGUES.fullmatch(said):
        return True
    if asked and re.fullmatch(rf"(?:no|not|not the|no such|without) (?:an? |the )?{re.escape(_bare(asked))}", said):
        return True
    if re.match(r"not (?:an?|the) ", said):
        return True
    if _RELATIVE.search(said):
        return False
    return _EMPTY.fullmatch(said) is not None or says_absent(label, sent)


def without(text: str, sent: str) -> str:
    """Blank what was asked in a text: its words say nothing about a box, whatever they are."""
    asked = _bare(sent.strip().lower())
    return re.sub(re.escape(asked), " ", text, flags=re.IGNORECASE) if asked else text


def _bare(words: str) -> str:
    return re.sub(r"^(?:the|an?) ", "", words)


def _plain(text: str) -> str:
    text = text.lower().replace("isn't", "is not").replace("_", " ")
    return re.sub(r"\s+", " ", re.sub(r"[*`\"]+", "", text)).strip(" .,;:!'")
