"""Reads a model folder's chat template without loading the model: a robot's node has neither torch nor transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from egm_core.families.thinking import Thinking, thinking_of


def thinking_in(folder: Path) -> Thinking | None:
    """Tell from a folder's chat template how an answer begins; None where the folder has no template.

    Raises ValueError where the template cannot be rendered.
    """
    template = find_template(folder)
    if template is None:
        return None
    try:
        from jinja2 import TemplateError
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise ValueError(
            f"{folder}: reading its chat template needs the package jinja2; install it (pip install jinja2)"
        ) from error

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    # As transformers renders templates.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: ""
    # Marks that only training reads.
    template = template.replace("{% generation %}", "").replace("{% endgeneration %}", "")

    def render(messages: list[dict[str, Any]], arguments: dict[str, Any]) -> str:
        return environment.from_string(template).render(messages=messages, add_generation_prompt=True, **arguments)

    try:
        return thinking_of(render)
    except (TemplateError, TypeError) as error:
        raise ValueError(
            f"{folder}: its chat template cannot be read ({error}); say in egm.json how answers begin, such as "
            '"thinking": {"wanted": "open", "unwanted": "open"}'
        ) from error


def find_template(folder: Path) -> str | None:
    """Give the chat template of a model folder, from any of the files that transformers keeps it in."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        file = folder / name
        try:
            value = json.loads(file.read_text(encoding="utf-8")).get("chat_template") if file.is_file() else None
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{file} is not JSON ({error}); mend it or write it anew") from error
        if isinstance(value, list):
            named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
            value = named.get("default")
        if isinstance(value, str):
            return value
    return None
