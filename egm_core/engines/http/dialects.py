"""What differs between servers that speak the OpenAI chat API: a small table.

All take an image as a data URL and stream server-sent events. They differ in how sampling beyond OpenAI's own
settings and a grammar are asked for. vLLM 0.32 and `egm_core.serve` were run; the fields of TensorRT-LLM and
TensorRT Edge-LLM are from their documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from egm_core.engines.base import Grammar, Request

Fields = dict[str, Any]


@dataclass(frozen=True)
class Dialect:
    """How one kind of server is asked. `extra` gives the request fields beyond OpenAI's own.

    `grammar` says what it does with a regular expression, `owner` is what its model list says in `owned_by`.
    vLLM only accepts one: with a reasoning parser it begins to apply it after the reasoning. `writes_chats`: it applies
    the chat template on request (`/tokenize`).
    """

    name: str
    owner: str
    grammar: Grammar
    extra: Callable[[Request], Fields]
    writes_chats: bool = False

    @property
    def program(self) -> str:
        """The program that computes the answers: our own server has transformers behind it."""
        return "transformers" if self.name == "egm" else self.name


def _schema_format(request: Request) -> Fields:
    if request.json_schema is None:
        return {}
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.json_schema, "strict": True},
        }
    }


def _openai(request: Request) -> Fields:
    return _schema_format(request)


def _vllm(request: Request) -> Fields:
    fields: Fields = {
        "top_k": request.sampling.top_k or -1,
        "repetition_penalty": request.sampling.repetition_penalty,
        "skip_special_tokens": False,
        **_schema_format(request),
    }
    if request.regex is not None:
        fields["structured_outputs"] = {"regex": request.regex}
    if request.template:
        fields["chat_template_kwargs"] = request.template
    if not request.reasoning:
        # With a reasoning parser vLLM lets the model think first, and holds it to a grammar only afterwards; where no
        # reasoning is asked for, the grammar holds from the first token.
        fields["include_reasoning"] = False
    return fields


def _egm(request: Request) -> Fields:
    return {**_vllm(request), "top_k": request.sampling.top_k}


def _trtllm(request: Request) -> Fields:
    fields: Fields = {"top_k": request.sampling.top_k, "repetition_penalty": request.sampling.repetition_penalty}
    if request.sampling.temperature == 0:
        fields["top_k"] = 1
    if request.json_schema is not None:
        fields["response_format"] = {"type": "json", "schema": request.json_schema}
    if request.regex is not None:
        fields["response_format"] = {"type": "regex", "regex": request.regex}
    return fields


def _edgellm(request: Request) -> Fields:
    fields: Fields = {"top_k": request.sampling.top_k or 1}
    if request.json_schema is not None:
        fields["guided_decoding"] = {"json_schema": request.json_schema}
    if request.regex is not None:
        fields["guided_decoding"] = {"regex": request.regex}
    return fields


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("openai", "", "none", _openai),
        Dialect("vllm", "vllm", "accepted", _vllm, writes_chats=True),
        Dialect("egm", "egm_core", "enforced", _egm),
        Dialect("trtllm", "tensorrt_llm", "accepted", _trtllm),
        Dialect("edgellm", "tensorrt-edgellm", "accepted", _edgellm),
    )
}


def dialect_of(owner: str) -> Dialect:
    """Recognise a server by `owned_by` in its model list; plain OpenAI where nobody is known by it."""
    owner = owner.lower().replace("-", "_")
    for dialect in DIALECTS.values():
        if dialect.owner and dialect.owner.replace("-", "_") == owner:
            return dialect
    return DIALECTS["openai"]
