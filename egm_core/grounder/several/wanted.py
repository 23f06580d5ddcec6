"""How many objects an instruction is about: as many as the caller says, or as its own words say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from egm_core.grounder.reading import worded

ONE, EVERY, AS_WORDED = 1, 0, -1
# "every" has an end too, so that an answer that repeats itself fills no array.
MOST = 200
SEVERAL_WANTED = "several_wanted"
TAKEN_AS_SEVERAL = "taken_as_several"
UNTRAINED = "several_untrained"
FIRST_OF_SEVERAL = "first_of_several"

_EVERY = re.compile(r"(?:every|each|all)(?:\s+of)?(?:\s+the)?\s+(?=\S)", re.IGNORECASE)
_COUNTED = re.compile(
    r"(?:the\s+|these\s+|those\s+|all\s+)?"
    r"(?:both|two|three|four|five|six|seven|eight|nine|ten|several|many|these|those|[2-9]|[1-9][0-9])\s+\S",
    re.IGNORECASE,
)
# A noun ends its own phrase before these.
_TAIL = re.compile(
    r"\s*(?:,|\b(?:on|in|at|of|by|with|near|to|behind|beside|under|below|above|over|between|from|for|around|inside|next"
    r"|left|right|that|which|who|whose|and|or|not|without|standing|lying|sitting|hanging|held|facing|wearing)\b)",
    re.IGNORECASE,
)
_PLURALS = frozenset(("people", "men", "women", "children", "knives", "shelves", "mice", "geese", "feet", "teeth"))
# They end like plurals, and are one thing.
_SINGULARS = frozenset((
    "glasses", "sunglasses", "scissors", "trousers", "pants", "jeans", "shorts", "tights", "goggles", "headphones",
    "earphones", "binoculars", "tongs", "pliers", "pincers", "tweezers", "clippers", "shears", "scales", "stairs",
    "clothes", "series", "species", "news", "gas", "bus", "lens", "canvas", "atlas", "christmas", "his", "hers",
    "this", "its", "yes", "iris", "tennis", "chess", "swiss", "cactus", "virus", "campus", "citrus", "octopus",
))  # fmt: skip


@dataclass(frozen=True)
class Question:
    """What is asked: the instruction, and at most how many objects (0: every one)."""

    instruction: str
    most: int = ONE

    @property
    def several(self) -> bool:
        """Whether more than one object is asked for."""
        return self.most != ONE

    @property
    def sent(self) -> str:
        """What the model is told: the instruction on one line; without "every" where the prompt says that itself."""
        words = worded(self.instruction)
        return _EVERY.sub("", words, count=1) if self.several and _EVERY.match(words) else words

    @property
    def words(self) -> str:
        """What an answer is held against: what the model is told of several, and otherwise what the user wrote."""
        return self.sent if self.several else self.instruction


def question(instruction: str, max_objects: int, one_only: bool = False) -> tuple[Question, tuple[str, ...]]:
    """Settle how many objects an instruction asks for, and say what was guessed, or is not asked for.

    `max_objects` is a number of objects, EVERY, or AS_WORDED: every match where the words ask for several, else one.
    `one_only`: the model was trained to name one.
    """
    asked, told = _question(instruction, max_objects)
    return asked, (*told, UNTRAINED) if asked.several and one_only else told


def _question(instruction: str, max_objects: int) -> tuple[Question, tuple[str, ...]]:
    told = several_by(worded(instruction))
    if max_objects == AS_WORDED and told:
        sure = bool(_EVERY.match(worded(instruction)) or _COUNTED.match(worded(instruction)))
        guessed = () if sure else (f"{TAKEN_AS_SEVERAL}: {told}",)
        return Question(instruction, EVERY), guessed
    if max_objects == ONE and told:
        return Question(instruction, ONE), (f"{SEVERAL_WANTED}: {told}",)
    return Question(instruction, ONE if max_objects == AS_WORDED else max_objects), ()


def several_by(words: str) -> str:
    """Give the words by which an English expression asks for several objects; empty where it asks for one.

    "every", "each" and "all" at its beginning, a number or "both", and a noun that looks like a plural.
    """
    for pattern in (_EVERY, _COUNTED):
        if found := pattern.match(words):
            return found[0].split()[0] if pattern is _EVERY else " ".join(found[0].split()[:-1])
    tail = _TAIL.search(words)
    phrase = re.findall(r"[^\W_]+", words[: tail.start()] if tail else words)
    noun = phrase[-1].lower() if phrase else ""
    plural = noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and len(noun) > 3
    return noun if noun in _PLURALS or (plural and noun not in _SINGULARS) else ""
