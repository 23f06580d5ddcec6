"""The forms of a teacher's answers: each a JSON schema, and the check of a text against it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

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


class Placement(Structured):
    """A guess where an object is, in thousandths of a picture that was not seen."""

    left: Thousandths
    top: Thousandths
    right: Thousandths
    bottom: Thousandths


Form = TypeVar("Form", bound=Structured)


def parsed(text: str, form: type[Form]) -> Form:
    """Read an answer; Malformed says which part is missing or wrong.

    A Markdown fence around the whole answer is no part of it: servers that cannot enforce a schema add one.
    """
    plain = text.strip()
    if plain.startswith("```") and plain.endswith("```") and "\n" in plain:
        plain = plain.split("\n", 1)[1].removesuffix("```")
    try:
        # Lists come as lists and texts as texts: nothing is turned into what it is not.
        return form.model_validate_json(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise Malformed(f"{where}: {first['msg']}") from error
