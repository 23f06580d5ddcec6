"""Ollama: models from a store of its own, on a laptop."""

from __future__ import annotations

from functools import partial

from egm_core.servers.dialect import Asked, Dialect, Fields, no_regex, schema_format
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start


def fields(request: Asked) -> Fields:
    """Give a JSON schema, and say that no thought is wanted where none is; it knows nothing else of ours."""
    return {**schema_format(request), **({} if request.reasoning else {"reasoning_effort": "none"})}


def words(order: Order) -> list[str]:
    """Spell out `ollama serve`, which is told all else by its environment."""
    return ["serve"]


def environment(order: Order) -> dict[str, str]:
    """Say where it listens, and that it serves both questions at a time and keeps its model."""
    return {"OLLAMA_HOST": f"127.0.0.1:{order.port}", "OLLAMA_NUM_PARALLEL": "2", "OLLAMA_KEEP_ALIVE": "-1"}


ENGINE = NamedServer(
    name="ollama",
    title="Ollama",
    # A store's own models belong to the user "library".
    dialect=Dialect("ollama", "library", "none", fields, refusal=partial(no_regex, "ollama")),
    start=Start(
        program="ollama",
        words=words,
        environment=environment,
        remedy="install it from https://ollama.com/download, and fetch a model: ollama pull qwen3-vl:8b",
        loads="name",
        gpu=False,
    ),
    verified="read",
    how="`openai/openai.go` and its documentation; the client with a scripted server",
    can=Abilities(
        health="no `/health`; its list of models answers at once, and the first question loads the model",
        pictures="data URLs, PNG, JPEG or WebP",
        grammars="`response_format` json_schema; no regular expressions, which are refused",
        thinking="off by `reasoning_effort` none; no budget",
        scores="`logprobs` from version 0.12.11 on; none before",
        cancels="closing the connection",
        no_memory="500; parts of a model that do not fit run on the processor",
    ),
    pins=(Pin("laptop", "ollama 0.12.11 or later", "https://ollama.com/download",
              "https://docs.ollama.com/api/openai-compatibility"),),
    remarks=(
        "`model` is a name of its store, such as `qwen3-vl:8b`.",
        "`top_k` and penalties of a request do not reach it: the model's own hold.",
    ),
)  # fmt: skip
