"""Chooses among the names that a server lists the one to ask for, and never guesses between two."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from egm_core.engines.base import EngineError
from egm_core.engines.http.sse import excerpt
from egm_core.families.thinking import Thinking

UNKNOWN = ("not exist", "not found", "not loaded", "unknown model", "no such model", "not available")


@dataclass(frozen=True)
class Wanted:
    """How the model may be called: by one `name`, or by any of those that it is `known_as`, the first that fits.

    `alone`: the only model of a server is this one whatever its name, which is not so where two are wanted of it.
    """

    name: str = ""
    known_as: tuple[str, ...] = ()
    alone: bool = True


@dataclass(frozen=True)
class Listed:
    """A model in a server's list; two of one `root` are one model under two names.

    `thinking` is how its answers begin, where the server says so.
    """

    name: str
    owner: str = ""
    root: str = ""
    thinking: Thinking | None = None


def read_list(text: str, url: str) -> list[Listed]:
    """Read the answer of /v1/models; raises EngineError where it is none."""
    try:
        models = [_listed(each) for each in json.loads(text)["data"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError("engine_garbage", f"/v1/models of {url}: {excerpt(text)!r}") from error
    if not models:
        raise EngineError("engine_garbage", f"/v1/models of {url} lists no model: {excerpt(text)!r}")
    return models


def _listed(entry: dict[str, Any]) -> Listed:
    told = entry.get("thinking")
    return Listed(
        str(entry["id"]),
        str(entry.get("owned_by") or ""),
        str(entry.get("root") or ""),
        Thinking.from_json(told) if told is not None else None,
    )


def choose(models: Sequence[Listed], wanted: Wanted, url: str) -> Listed:
    """Give the listed model that is wanted; raises EngineError `engine_wrong_model` where none is for sure."""
    for name in (wanted.name,) if wanted.name else wanted.known_as:
        exact = [model for model in models if model.name == name]
        fitting = exact or [model for model in models if not wanted.name and PurePath(model.name).name == name]
        if len(fitting) == 1:
            return fitting[0]
    one = len({model.root or model.name for model in models}) == 1
    if one and wanted.alone and not wanted.name:
        return models[0]
    has = ", ".join(repr(model.name) for model in models)
    names = " or ".join(repr(name) for name in ((wanted.name,) if wanted.name else wanted.known_as))
    trouble = f"none is called {names}" if names else "nothing says which of them is meant"
    raise EngineError(
        "engine_wrong_model",
        f"{url} serves {has}, and {trouble}; give the model that name there (vLLM: --served-model-name), or ask for it"
        " by the name that it has",
    )


def unknown_model(status: int, text: str) -> bool:
    """Tell whether a server refuses a request because it has no model of that name."""
    text = text.lower()
    return status == 404 or (status == 400 and "model" in text and any(words in text for words in UNKNOWN))
