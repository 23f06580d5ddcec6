"""The forms of a teacher's answers: each a JSON schema, and the check of a text against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

Side = Literal["left", "right", "top", "bottom"]
Thousandths = Annotated[int, Field(ge=0, le=1000)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Malformed(ValueError):
    """An answer that does not have its form; the message says where."""


class Structured(BaseModel):
    """An answer with named parts, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reasoning(Structured):
    """How to find an object: the text for training, and the object's plain name."""

    reasoning: Said
    object: Said


class AmodalReasoning(Structured):
    """How to find an object and complete it: also what hides it, and on which sides it goes on unseen."""

    reasoning: Said
    object: Said
    occluders: list[Said]
    hidden_sides: list[Side]


class Expression(Structured):
    """A phrase that means one object and no other, and the object's plain name."""

    expression: Said
    object: Said


class Verification(Structured):
    """Whether a phrase is true of the object, and of it alone; `why` comes first, so that it is thought of first."""

    why: Said
    accurate: bool
    unique: bool


class Judgement(Structured):
    """What is wrong with a text for training by its words alone; `why` comes first, so that it is thought of first."""

    why: Said
    speaks_of_drawing: bool
    holds_measures: bool
    other_object: bool
    wrong_place: bool
    unfinished_or_foreign: bool

    @property
    def faults(self) -> tuple[str, ...]:
        """The names of what is wrong, in the order in which they are asked for; none where it may be trained on."""
        return tuple(name for name, said in self if said is True)


class Placement(Structured):
    """A guess where an object is, in thousandths of a picture that was not seen."""

    left: Thousandths
    top: Thousandths
    right: Thousandths
    bottom: Thousandths


Form = TypeVar("Form", bound=Structured)
# A model that thinks aloud; its chat template may have written the opening tag itself.
_THOUGHTS = re.compile(r"\A(?:\s*<think>)?(?:(?!<think>).)*?</think>", re.DOTALL | re.IGNORECASE)
_UNENDED = re.compile(r"\A<think>", re.IGNORECASE)
_FENCED = re.compile(r"```[a-zA-Z]*\n(.*?)```", re.DOTALL)


def parsed(text: str, form: type[Form]) -> Form:
    """Read an answer; Malformed says which part is missing or wrong.

    What stands around the JSON is no part of it: the thoughts of a model that thinks aloud, a Markdown fence, words
    before and after. Parts that were not asked for are left out. JSON among thoughts that never end is a draft, and no
    answer; so is one that says two different things.
    """
    plain = _THOUGHTS.sub("", text).strip()
    error = Malformed("the answer holds no JSON")
    first: Malformed | None = None
    found: list[Form] = []
    for candidate in _candidates(plain):
        try:
            told = from_json(candidate)
        except ValueError as trouble:
            error = Malformed(f"the answer is not the JSON that was asked for: {trouble}")
            continue
        try:
            # It is not nested too deep to be read again.
            json.loads(candidate, object_pairs_hook=_once)
            found.append(_formed(told, form))
        except Malformed as trouble:
            first = first or trouble
        if candidate is plain:
            break
    if len(set(map(repr, found))) > 1:
        raise Malformed("the answer has its JSON more than once, and they differ")
    if found:
        return found[0]
    raise first or error


def _formed(told: Any, form: type[Form]) -> Form:
    if isinstance(told, dict):
        told = {name: part for name, part in told.items() if name in form.model_fields}
    try:
        # Lists come as lists and texts as texts: nothing is turned into what it is not.
        return form.model_validate(told)
    except ValidationError as found:
        first = found.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise Malformed(f"{where}: {first['msg']}") from found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its parts; Malformed where one is there twice and says different things."""
    made: dict[str, Any] = {}
    for name, part in pairs:
        if name in made and made[name] != part:
            raise Malformed(f"{name}: the answer has it twice, and they differ")
        made[name] = part
    return made


def _candidates(plain: str) -> Iterator[str]:
    """Give the parts of an answer that may be its JSON, the most likely first."""
    if begun := _UNENDED.match(plain):
        # Some servers take a whole answer for thoughts; a draft has words around it.
        yield plain[begun.end() :].strip()
        return
    yield plain
    fences = [fenced[1] for fenced in _FENCED.finditer(plain)]
    yield from fences
    start, end = plain.find("{"), plain.rfind("}")
    if not fences and 0 <= start < end:
        yield plain[start : end + 1]
