"""Recognises a model's word that an object is not in the picture.

Only a plain statement counts. Doubt ("maybe"), a refusal ("I cannot see images"), what is said of others ("no other
mug"), and a turn to the contrary afterwards ("but there is one") leave the text unread.
"""

from __future__ import annotations

import re

EMPTY_WORDS = frozenset(("none", "null", "nil", "nothing", "absent", "n/a", "not found", "not present"))

_PICTURE = r"(?:image|picture|photo|photograph|scene|frame|view)"
_WHERE = rf"(?:in|within|on|from) (?:this|the|that) (?:\w+ )?{_PICTURE}"
_SEEN = r"(?:present|visible|found|shown|seen|depicted|detected|located|identified|spotted|there)"
_BE = r"(?:is|are|was|were)"
_THING = r"(?!other|doubt|question|need|more\b|further|additional|image|picture|photo)[^,;]{1,80}?"
_FIND = r"(?:find|locate|detect|identify|see|spot)(?! (?:the |this |any |an )?(?:images?|pictures?|photos?)\b)"

# A statement of the first kind denies that there is such an object, and so contradicts a box beside it; one of the
# second kind may speak of a part of it.
_DENIALS = (
    rf"\bthere {_BE} (?:no|not an?y?) {_THING}(?: {_WHERE}| {_SEEN}|$)",
    rf"\bthere does not (?:seem|appear) to be {_THING}(?: {_WHERE}| {_SEEN}|$)",
    rf"\bno (?:such )?{_THING} (?:{_BE}|can be|could be) {_SEEN}",
    rf"\bno (?:such )?{_THING} {_WHERE}",
    rf"\b(?:can|could|did|do|does|was|am|were) not (?:able to )?{_FIND}",
    rf"\b(?:unable|failed) to {_FIND}",
    r"\b(?:can|could) not be (?:found|located|detected|identified)",
    rf"\b{_BE} not (?:present|found|there|{_WHERE})",
    rf"\b(?:does|do) not (?:exist|appear {_WHERE})",
    rf"\b{_PICTURE} (?:does not (?:contain|show|include|have|depict)|(?:contains|shows|has) no) (?!other)",
    r"\bi (?:see|find|found|detect|detected) (?:none|nothing|no (?!other))",
    r"\bnone (?:of|is|are|was|were|in|visible|found)\b",
    rf"\bnothing (?:{_WHERE}|matches|fits)",
    rf"\b(?:absent|missing) (?:from|in) (?:this|the) {_PICTURE}",
    r"^no (?:(?:matching|such) )?(?:object|match|result|detection)s?(?: (?:is|was|were))?(?: found| detected)?$",
    r"[图画照景][^没有。]{0,6}没有|(?:未|没有|没|无法)(?:找到|检测到|发现)|不存在|找不到",
)
_HINTS = (
    rf"\b(?:{_BE}|can be|could be) not {_SEEN}",
    rf"\b(?:can|could) not be {_SEEN}",
    rf"\bdoes not (?:seem|appear) to be (?:{_SEEN}|{_WHERE})",
    rf"\bnot (?:found|present|visible|detected)(?: {_WHERE})?$",
    r"(?:没有|没|未)看到|看不到",
)
_DENIED = re.compile("|".join(_DENIALS))
_SAID = re.compile("|".join((*_DENIALS, *_HINTS)))
_DOUBT = re.compile(
    r"\b(?:maybe|perhaps|might|may be|possibly|probably|not sure|unsure|unclear|uncertain|hmm|wait|if)\b|可能|也许"
)
_REFUSAL = re.compile(
    r"\b(?:no|not any) (?:image|picture|photo)s?\b|\bas an ai\b|\bsorry, (?:but )?i can not (?:help|assist|process)"
    r"|\bnot (?:view|process|access|open|analy[sz]e)\b"
)
_CONTRARY = re.compile(
    r"\b(?:but|however|although|though|except|actually)\b|但|不过"
    r"|\b(?:is|are|sits|stands|lies) (?:at|on the|located|visible|positioned|placed|near|behind|next|clearly)\b"
)
_SENTENCE_END = re.compile(r"[.!?;。！？；\n]+(?=\s|$)|[。！？；]")


def says_absent(text: str) -> bool:
    """Tell whether a text without a box says plainly that the object is not in the picture."""
    sentences = _sentences(text)
    if " ".join(sentences) in EMPTY_WORDS:
        return True
    stated = [number for number, sentence in enumerate(sentences) if _SAID.search(sentence)]
    whole = "\n".join(sentences)
    if not stated or _DOUBT.search(whole) or _REFUSAL.search(whole):
        return False
    first = _SAID.search(sentences[stated[0]])
    assert first is not None
    rest = [sentences[stated[0]][first.end() :]]
    rest += [sentence for number, sentence in enumerate(sentences) if number not in stated]
    return not any(_CONTRARY.search(one) for one in rest)


def is_closed(text: str) -> bool:
    """Tell whether a text is one sentence, or ends as sentences do: what follows a full stop may be half a thought."""
    return len(_sentences(text)) == 1 or text.rstrip(" \n\t*`\"'")[-1:] in tuple(".!。！")


def denies(text: str) -> bool:
    """Tell whether a text says that there is no such object, which no box beside it can be squared with."""
    return any(_DENIED.search(sentence) for sentence in _sentences(text))


def _sentences(text: str) -> list[str]:
    plain = re.sub(r"[*_`\"\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}]+", "", text.lower())
    plain = (
        plain.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("cannot", "can not").replace("can't", "can not")
    )
    plain = re.sub(r"n't\b", " not", plain).replace("there's", "there is")
    parts = (re.sub(r"\s+", " ", part).strip(" :,'") for part in _SENTENCE_END.split(plain))
    return [part for part in parts if part]
