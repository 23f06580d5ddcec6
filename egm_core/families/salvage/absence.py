"""Recognises a model's word that an object is not in the picture.

Only a plain statement counts. Doubt ("maybe"), a refusal ("I cannot see images"), what is said of others ("no other
mug"), of a part ("its handle is not visible") or of the picture ("nothing wrong"), and a turn to the contrary
afterwards ("but there is one") leave the text unread.
"""

from __future__ import annotations

import re

EMPTY_WORDS = frozenset((
    "none", "null", "nil", "nothing", "absent", "n/a", "not found", "not present", "not visible", "not detected",
    "not there", "not here", "missing", "does not exist",
))  # fmt: skip

_PICTURE = r"(?:image|picture|photo|photograph|scene|frame|view)"
_WHERE = rf"(?:in|within|on|from) (?:this|the|that) (?:\w+ )?{_PICTURE}"
_SEEN = r"(?:present|visible|found|shown|seen|depicted|detected|located|identified|spotted|there|here)"
_BE = r"(?:is|are|was|were)"
# What is said not to be there, and says nothing about the object.
_IDLE = (
    r"(?:other|others|doubt|question|need|more|further|additional|another|longer|image|picture|photo|problem|issue|reason"
    r"|difficulty|ambiguity|error|mistake|defect|damage|way|difference|change|obstruction|occlusion|overlap|whole|full"
    r"|entire|complete|rest)s?\b"
)
_THING = rf"(?!(?:\w+ )?{_IDLE})[^,;]{{1,80}}?"
_FIND = rf"(?:find|locate|detect|identify|see|spot)(?! (?:the |this |any |an? )?(?:\w+ )?{_IDLE})(?! (?:it )?clearly)"
_FITS = r"(?:match(?:es|ing)?|fits|fitting|corresponds|looks like|resembl(?:es|ing)|like (?:it|that|this))\b"

# A statement of the first kind denies that there is such an object, and so contradicts a box beside it; one of the
# second kind may speak of a part of it.
_DENIALS = (
    rf"\bthere {_BE} (?:no|not an?y?) {_THING}(?: {_WHERE}| {_SEEN}|$|(?=,))",
    rf"\bthere does not (?:seem|appear) to be {_THING}(?: {_WHERE}| {_SEEN}|$)",
    rf"\bno (?:such )?{_THING} (?:{_BE}|can be|could be) {_SEEN}",
    rf"\bno (?:such )?{_THING} {_WHERE}",
    rf"\b(?:can|could|did|do|does|was|am|were) not (?:able to )?{_FIND}",
    rf"\b(?:unable|failed) to {_FIND}",
    r"\b(?:can|could) not be (?:found|located|detected|identified)",
    rf"\b{_BE} not (?:present|found|there|here|{_WHERE})",
    rf"\b(?:does|do) not (?:exist|appear {_WHERE})",
    rf"\b{_PICTURE} (?:does not (?:contain|show|include|have|depict)|(?:contains|shows|has) no)"
    rf" (?!(?:any |an? |the )?(?:\w+ )?{_IDLE})",
    rf"\bi (?:see|find|found|detect|detected) (?:none\b|no {_THING}(?: {_WHERE}|$))",
    rf"\bi (?:see|find|found|detect|detected) nothing(?: {_WHERE})?(?:$| (?:that )?{_FITS})",
    r"\bnone (?:of (?:them|these|those|the \w+s)|is|are|was|were|in|visible|found)\b(?!.*\b(?:occluded|cropped|cut)\b)",
    rf"\bnothing(?: {_WHERE})? (?:that )?{_FITS}",
    rf"^(?:there {_BE} )?nothing {_WHERE}$",
    rf"\b(?:absent|missing) (?:from|in) (?:this|the) {_PICTURE}",
    r"\b(?:bbox|box)\w*\s*[:=]\s*(?:null|none|n/a)(?![a-z])",
    r"^no (?:(?:matching|such) )?(?:object|match|result|detection)s?(?: (?:is|was|were))?(?: found| detected)?$",
    r"(?:图片?|画面?|照片|图像|景)(?:之?[中里内上])?(?:[并都也]|[^，。,的]{0,2})没有(?!问题|异常|其他)"
    r"|(?:未|没有|没|无法)(?:找到|检测到|发现)(?!问题|异常|其他)|不存在|找不到",
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
    r"\b(?:maybe|perhaps|might|may be|possibly|probably|likely|not sure|unsure|unclear|uncertain|hmm|wait|if"
    r"|exact\w*|precise\w*|certainty|confident\w*|hidden|occluded|obscured|blocked|covered by|cut off|cropped)\b"
    r"|可能|也许|遮挡"
)
_REFUSAL = re.compile(
    r"\b(?:no|not any) (?:image|picture|photo)s?\b|\bas an ai\b|\bsorry, (?:but )?i can not (?:help|assist|process)"
    r"|\bnot (?:view|process|access|open|analy[sz]e)\b"
)
_CONTRARY = re.compile(
    r"\b(?:but|however|although|though|except|actually)\b|但|不过"
    r"|\b(?:is|are|sits|stands|lies) (?:at|on the|located|visible|positioned|placed|near|behind|next|clearly"
    r"|under|beside)\b"
)
_SENTENCE_END = re.compile(r"[.!?;。！？；\n]+(?=\s|$)|[。！？；]")

_POSSESSIVE = re.compile(r"\b(?:its|their|his|her|my|your|whose)\b|(?<=[a-z])'s?\b|其|它的|他的|她的|它们的")
_DEFINITE = r"(?:the|this|that|these|those|it|them|its|either|both|each)\b"
_PART = re.compile(
    rf"(?:^|\b(?:no|not an?y?|any|an?|the|one|see|find|detect) )(?P<part>[^,;]{{1,40}}?) "
    rf"(?:on|of|to|for|inside|in|within|under|around|with|at|over|behind|beside|near) {_DEFINITE}"
)
_KIND_OF = re.compile(r"\b(?:sign|trace|instance|evidence|example|kind|sort|type|occurrence|one|any|none)s?$")
_SHARE = re.compile(r"\b(?:part|portion|half|side|rest|most|edge|corner|top|bottom|left|right|front|back)s?\b")
_SMALL = re.compile(
    r"the|an?|this|that|these|those|such|and|or|of|on|in|at|to|with|by|for|is|are|it|its|any|no|not|one"
)
_TALK = re.compile(
    rf"{_SEEN}|see|find|detect|locate|identify|spot|image|picture|photo|photograph|scene|frame|view|provided|given|can|could"
    r"|did|do|doe|wa|were|be|been|able|unable|failed|am|none|nothing|exist|appear|seem|contain|show|include|have|ha"
    r"|depict|sorry|apologize|but|unfortunately|however|absent|missing|like|looking|carefully|after|based|answer|bbox\w*|box"
    r"|null|so|therefore|thu|which|who|from|within|match|fit|correspond"
)
_ITSELF = re.compile(r"\b(?:it|them|they|none|nothing)\b")
_GENERIC = re.compile(
    r"object|item|thing|target|requested|described|mentioned|specified|asked|region|subject|expression|description|phrase"
    r"|question|query|referred|entity|match|they|them"
)


def says_absent(text: str, sent: str = "") -> bool:
    """Tell whether a text without a box says plainly that the object is not in the picture.

    `sent` is what was asked, where that is known: it tells a missing object from a missing part of it.
    """
    sentences = _sentences(text)
    if " ".join(sentences) in EMPTY_WORDS:
        return True
    stated = [number for number, sentence in enumerate(sentences) if _states(sentence, sent)]
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


def _states(sentence: str, sent: str) -> bool:
    """Tell whether a sentence says that the object itself, and not a part of it, is not there."""
    said = _SAID.search(sentence)
    if said is None:
        return False
    asked = sent.lower()
    if any(word.group() not in asked for word in _POSSESSIVE.finditer(sentence)):
        return False
    part = _PART.search(re.sub(_WHERE, "", sentence))
    if part and not _KIND_OF.search(part["part"]):
        head = _words(re.sub(rf"(?: (?:that is )?{_SEEN})+$", "", part["part"]))[-1:]
        if not set(head) & set(_words(asked)):
            return False
    if _DENIED.search(sentence):
        named = [word for word in _words(re.sub(_WHERE, "", sentence)) if not _TALK.fullmatch(word)]
        return _ITSELF.search(sentence) is not None or _fits(named, asked)
    before = sentence[: said.start()]
    if any(word.group() not in asked for word in _SHARE.finditer(before)):
        return False
    return _fits(_words(before), asked)


def _fits(named: list[str], asked: str) -> bool:
    """Tell whether words name what was asked, or nothing of their own; another language's can't be compared."""
    known = set(_words(asked))
    named = [word for word in named if word.isascii()]
    if not known or not named or not asked.isascii():
        return True
    return any(word in known or _GENERIC.fullmatch(word) for word in named)


def _words(text: str) -> list[str]:
    found = (word for word in re.findall(r"\w{2,}", text) if not _SMALL.fullmatch(word))
    return [word.removesuffix("s") for word in found]


def _sentences(text: str) -> list[str]:
    plain = re.sub(r"[*_`\"\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}]+", "", text.lower())
    plain = (
        plain.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("cannot", "can not").replace("can't", "can not")
    )
    plain = re.sub(r"n't\b", " not", plain).replace("there's", "there is").replace("it's", "it is")
    plain = re.sub(r"'s not\b", " is not", plain)
    parts = (re.sub(r"\s+", " ", part).strip(" :,'") for part in _SENTENCE_END.split(plain))
    return [part for part in parts if part]
