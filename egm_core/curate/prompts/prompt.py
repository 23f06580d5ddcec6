"""A prompt by its name: the text in a file of its own, whose name ends in the version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from egm_core.curate.prompts.answers import (
    AmodalReasoning,
    Expression,
    Judgement,
    Placement,
    Reasoning,
    Structured,
    Verification,
)

FOLDER = Path(__file__).parent
# The form of each prompt's answer. A text that changes gets a new file with the next version, and the old one stays.
FORMS: dict[str, type[Structured]] = {
    "reason_visible": Reasoning,
    "reason_amodal": AmodalReasoning,
    "express": Expression,
    "verify": Verification,
    "judge": Judgement,
    "place": Placement,
}
NAMES = tuple(FORMS)


@dataclass(frozen=True)
class Prompt:
    """What a teacher is asked. `text` is a Jinja template, `schema` the JSON schema of the answer."""

    name: str
    version: int
    text: str
    form: type[Structured]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the answer; one and the same for all questions, so nobody may change it."""
        return _schema(self.form)

    @property
    def label(self) -> str:
        """Name and version in one word, for keys and records."""
        return f"{self.name}_{self.version}"

    def render(self, **values: Any) -> str:
        """Fill in an object's values; jinja2.UndefinedError names one that is missing."""
        return _template(self.text).render(**values)


# Both take longer to make than all else of a question but its pictures.
@lru_cache
def _schema(form: type[Structured]) -> dict[str, Any]:
    return form.model_json_schema()


@lru_cache
def _template(text: str) -> Template:
    return Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(text)


@lru_cache
def load(name: str, version: int | None = None) -> Prompt:
    """Give a prompt by name, its newest version unless another is asked for; ValueError lists what there is."""
    if name not in FORMS:
        raise ValueError(f"there is no prompt {name!r}; there are {', '.join(NAMES)}")
    known = {int(file.stem.rpartition("_")[2]): file for file in FOLDER.glob(f"{name}_*.jinja")}
    wanted = max(known) if version is None else version
    if wanted not in known:
        raise ValueError(f"there is no version {wanted} of {name}; there are {', '.join(map(str, sorted(known)))}")
    return Prompt(name, wanted, known[wanted].read_text("utf-8").strip(), FORMS[name])
