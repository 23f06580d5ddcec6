"""The trace against what is known of the scene: the object meant, what hides it, and on which sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from egm_core.curate.rules.facts import SIDES, Facts, Side
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import Plain, determined, sentences
from egm_core.data.phrases import head, noun, plain, words

_GROUPS = groups("scene")
# A thing named after such words says where the object is, and is not taken for it.
_PLACE_BEFORE = re.compile(rf"\b(?:{_GROUPS['place_before']}) (?:(?:the|a|an|that|this) )?$")
_SPATIAL = re.compile(f"(?:{_GROUPS['spatial']})")
_SEEK = rf"\b(?:{_GROUPS['seek']})"
_ASIDE = re.compile(
    r"\b(?:not|don't|never|first|isn't|landmark|neighbou?r|reference|near(?:er)? (?:object|one|thing))\b"
)
# What stands by another thing is told by it.
_BY_PLACE = re.compile(r"\b(?:beside|next|near\w*|behind|clos(?:e|er|est)|around|other|touching|neighbou?r\w*)\b")
_MEANT = re.compile(
    r"\b(?:target|attention|object|answer|matters|wanted|meant|sought|settle|asks for|requested|leads)\b"
)
_NOT = re.compile(r"\b(?:not|no|isn't|doesn't|without|nor)\b")
_SIDE = {side: re.compile(rf"\b(?:{_GROUPS[side]})") for side in SIDES}
# What is said of a side that is hidden, and of one that is not.
_LACKS = re.compile(rf"\b(?:{_GROUPS['lacks']})\b")
_BUT = re.compile(r"\b(?:but|except|apart|not|other than)\b")
_WHOLE = re.compile(rf"\b(?:{_GROUPS['whole']})\b")
_SHOWS = re.compile(rf"\b(?:{_GROUPS['shows']})\b")
# Something stands beside another thing: what is meant is the first, though it has no name there.
_OF_ANOTHER = re.compile(_GROUPS["of_another"])
# A side in these words says where another thing is, or where the object is in the picture.
_ELSEWHERE = re.compile(_GROUPS["elsewhere"])
_STRANGER = re.compile(_GROUPS["stranger_hides"])
# What is compared with the visible part says nothing of where it is visible.
_THAN = re.compile(rf"\b(?:{_GROUPS['than']})\b")
# Not to be seen is to be hidden.
_UNSEEN = re.compile(rf"\b(?:{_GROUPS['unseen']})\b")
# The object is said to be seen whole, or to be hidden in part.
_SEEN_WHOLE = re.compile(rf"\b(?:{_GROUPS['seen_whole']})")
_PARTLY_HIDDEN = re.compile(rf"\b(?:{_GROUPS['partly_hidden']})")
# With less than this share seen nobody can call an object whole, and with more nothing of note is hidden.
_LEAST_WHOLE, _ALL_SEEN = 0.9, 0.99
_CLAUSE = re.compile(rf",? (?:{_GROUPS['clause']})\b|[,:;] ")


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find what speaks against the sample's truth; what is not known of it is not judged."""
    yield from _object(trace, facts)
    yield from _extent(trace, facts)
    if facts.task == "amodal":
        yield from _occluder(trace, facts)
        yield from _side(trace, facts)


def _object(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find a trace that looks for another object than the one that is asked for."""
    own = [name for name in (facts.expression, facts.category) if name]
    said = plain(facts.expression)
    others = _telling(facts)
    present = _named(trace.whole, others, own)
    if not present:
        return
    rest = _without(trace.whole, [noun(name) for name in present])
    never = _never(trace, facts, own, rest)
    silent = never and not _OF_ANOTHER.search(rest)
    avoided = frozenset(head(name) for name in own)
    for name in present:
        thing = _thing(name, avoided)
        # What the expression itself names beside its object is looked for, too; it is never what is meant.
        found = _sought(thing, trace.whole, never) if never or noun(name) not in said else ""
        if found := found or _taken(thing, trace.whole):
            yield Finding("wrong_object", found, f"takes {noun(name)} for what is asked for")
            return
        if silent and name not in facts.occluders and not _beside(thing, trace.whole):
            yield Finding("wrong_object", noun(name), f"speaks of {noun(name)}, and never of {noun(facts.expression)}")
            return


def _telling(facts: Facts) -> list[str]:
    """List the other objects whose names tell them from all the rest; a bare noun that two of them share does not."""
    names = (facts.expression, facts.category, *facts.occluders, *facts.others)
    nouns = {noun(name) for name in names}
    own = {noun(facts.expression), noun(facts.category), head(facts.expression), head(facts.category)}
    return [
        name
        for name in facts.others
        if (called := noun(name))
        and called not in own
        and not any(longer != called and longer.endswith(f" {called}") for longer in nouns)
    ]


def _never(trace: Plain, facts: Facts, own: list[str], rest: str) -> bool:
    """Tell whether a trace never names its own object once the other objects' names are out of it."""
    named = any(_word(word).search(rest) for name in own for word in (noun(name), head(name)) if word)
    return not named and plain(facts.expression) not in trace.whole


def _sought(thing: str, text: str, never: bool) -> str:
    """Give the words that look for a thing as for what is asked for; empty where none do."""
    for found in re.finditer(f"{_SEEK} {thing}", text):
        start = max(0, found.start() - 24, text.rfind(". ", 0, found.start()))
        aside = _ASIDE.search(text[start : found.end()])
        if not aside and not _BY_PLACE.search(re.sub(thing, "", found[0])) and (never or _MEANT.search(found[0])):
            return found[0]
    return ""


def _taken(thing: str, text: str) -> str:
    """Give the words that take a thing for what is asked for; empty where none do."""
    found = re.search(_GROUPS["taken"].replace("THING", thing), text)
    return found[0] if found and not _NOT.search(found[0]) and not _after_place(text[: found.start()]) else ""


def _after_place(before: str) -> bool:
    """Tell whether what comes next is the thing beside which something is; adjectives may stand between."""
    return any(_SPATIAL.fullmatch(word.strip("\"'(")) for word in re.split(r"[.;:,]\s", before)[-1].split()[-3:])


def _beside(thing: str, text: str) -> bool:
    """Tell whether each mention of a thing says where something else is."""
    mentions = list(re.finditer(thing, text))
    # Where "its" stands in a sentence before, the trace has spoken of its own object by then.
    if mentions and re.search(r"\bits\b.*[.;]\s", text[: mentions[0].start()]):
        return True
    return all(_PLACE_BEFORE.search(text[: found.start()]) for found in mentions)


def _occluder(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find a trace that says another thing hides the object than what does."""
    if not facts.occluders:
        return
    said = plain(facts.expression)
    right = _named(trace.whole, facts.occluders, (facts.expression,))
    rest = _without(trace.whole, facts.occluders)
    own = (*facts.occluders, facts.expression)
    avoided = frozenset(head(name) for name in own)
    does = f"which {noun(facts.occluders[0])} does"
    heads = {head(name) for name in facts.occluders}
    # A bare "ball" may be the one that hides the object, where that is a ball, too.
    strangers = [name for name in facts.others if noun(name) not in said and noun(name) not in heads]
    for name in _named(rest, strangers, own):
        hides = re.search(_GROUPS["hiding"].replace("THING", _thing(name, avoided)), rest)
        if hides and not (right and _NOT.search(hides[0])):
            yield Finding("wrong_occluder", hides[0], f"says that {noun(name)} hides the object, {does}")
            return
        if not right:
            yield Finding("wrong_occluder", noun(name), f"does not say what hides the object, {does}")
            return
    if not right and not heads & set(words(trace.whole)) and (found := _STRANGER.search(trace.masked)):
        yield Finding("wrong_occluder", found[0], f"says that a {found['stranger']} hides the object, {does}")


def _side(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find a trace that completes the object on sides on which nothing of it is hidden."""
    if not facts.hidden_sides:
        return
    claimed: dict[Side, str] = {}
    whole: dict[Side, str] = {}
    for sentence in sentences(trace.masked.replace(plain(facts.expression), "#")):
        for clause in _CLAUSE.split(sentence):
            said = _UNSEEN.sub("hidden", _THAN.sub(" ", _ELSEWHERE.sub(" ", clause)))
            lacks, shows = _LACKS.search(said), _SHOWS.search(said)
            in_view = shows and not (lacks and lacks.start() > shows.end() and "not" not in shows[0])
            told_whole = _WHOLE.search(said) and not _LACKS.search(_WHOLE.sub(" ", said)) and not _BUT.search(sentence)
            for side in SIDES:
                if not _SIDE[side].search(said):
                    continue
                if told_whole:
                    whole.setdefault(side, clause)
                    continue
                if not in_view and (lacks or _LACKS.search(sentence)):
                    claimed.setdefault(side, clause)
    truly = " and ".join(facts.hidden_sides)
    wrong = [side for side in claimed if side not in facts.hidden_sides]
    if wrong and len(wrong) == len(claimed):
        yield Finding("wrong_side", claimed[wrong[0]].strip(), f"completes it at the {wrong[0]}, not at the {truly}")
    elif not claimed and whole.keys() & set(facts.hidden_sides):
        side = min(whole.keys() & set(facts.hidden_sides))
        yield Finding("wrong_side", whole[side].strip(), f"says that nothing hides its {side}")


def _extent(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find a trace that calls an object whole of which much is hidden, or one hidden of which all is seen."""
    share = facts.visible_share
    if share is None:
        return
    for sentence in sentences(trace.masked):
        # A side, or an exception, makes it a word about a part.
        partial = _BUT.search(sentence) or any(side.search(sentence) for side in _SIDE.values())
        if share < _LEAST_WHOLE and not partial and (found := _SEEN_WHOLE.search(sentence)):
            yield Finding("wrong_extent", found[0], f"says that all of it is seen, where {share:.0%} is")
            return
        if share >= _ALL_SEEN and not facts.hidden_sides and (found := _PARTLY_HIDDEN.search(sentence)):
            yield Finding("wrong_extent", found[0], "says that part of it is hidden, where all of it is seen")
            return


def _named(text: str, names: Iterable[str], apart_from: Iterable[str] = ()) -> list[str]:
    """List those of some names of which a text speaks."""
    avoided = frozenset(head(name) for name in apart_from)
    return [name for name in dict.fromkeys(names) if re.search(_thing(name, avoided), text)]


@lru_cache(4096)
def _thing(name: str, avoided: frozenset[str]) -> str:
    """Make a pattern of a thing: its noun with adjectives, or its noun alone where no other has the same one."""
    whole, last = noun(name), head(name)
    ways = [rf"(?:(?:the|a|an|one|that|this|its) ){{0,2}}{re.escape(whole)}"]
    if last and last != whole and last not in avoided:
        ways.append(rf"(?:the|a|an|that|this) {re.escape(last)}")
    return rf"(?<![\w-])(?:{'|'.join(ways)})(?:s|es)?(?![\w-])"


@lru_cache(4096)
def _word(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){determined(phrase)}{re.escape(phrase)}(?:s|es)?(?![\w-])")


def _without(text: str, names: Iterable[str]) -> str:
    """Put a sign in the place of some names."""
    for name in sorted({noun(name) for name in names} | {plain(name) for name in names}, key=len, reverse=True):
        if name:
            text = _word(name).sub("#", text)
    return text
