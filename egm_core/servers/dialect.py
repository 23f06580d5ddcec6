"""What differs between servers that speak the OpenAI chat API: how sampling and grammars are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Fields = dict[str, Any]
# What a server does with a regular expression: enforce it for sure, accept it, or know nothing of it.
Grammar = Literal["enforced", "accepted", "none"]


class Drawing(Protocol):
    """How tokens are drawn, of which a server's own fields tell: see `egm_core.engines.base.Sampling`."""

    @property
    def temperature(self) -> float: ...  # noqa: D102
    @property
    def top_p(self) -> float: ...  # noqa: D102
    @property
    def top_k(self) -> int: ...  # noqa: D102
    @property
    def repetition_penalty(self) -> float: ...  # noqa: D102
    @property
    def seed(self) -> int | None: ...  # noqa: D102


class Asked(Protocol):
    """What is asked of a server: see `egm_core.engines.base.Request`."""

    @property
    def sampling(self) -> Drawing: ...  # noqa: D102
    @property
    def regex(self) -> str | None: ...  # noqa: D102
    @property
    def json_schema(self) -> Mapping[str, Any] | None: ...  # noqa: D102
    @property
    def logprobs(self) -> bool: ...  # noqa: D102
    @property
    def template(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def reasoning(self) -> bool: ...  # noqa: D102


def nothing_refused(request: Asked) -> str:
    """Refuse nothing."""
    return ""


@dataclass(frozen=True)
class Dialect:
    """How one kind of server is asked. `extra` gives the request fields beyond OpenAI's own.

    `grammar` says what it does with a regular expression, `owner` is what its model list says in `owned_by`.
    vLLM only accepts one: with a reasoning parser it begins to apply it after the reasoning. `writes_chats`: it applies
    the chat template on request (`/tokenize`). `refusal` says why a request cannot be asked of such a server at all,
    with the remedy; empty where it can.
    """

    name: str
    owner: str
    grammar: Grammar
    extra: Callable[[Asked], Fields]
    writes_chats: bool = False
    refusal: Callable[[Asked], str] = nothing_refused

    @property
    def program(self) -> str:
        """The program that computes the answers: our own server has transformers behind it."""
        return "transformers" if self.name == "egm" else self.name


def schema_format(request: Asked) -> Fields:
    """Ask for a JSON schema as OpenAI's own API does."""
    if request.json_schema is None:
        return {}
    schema = {"name": "answer", "schema": dict(request.json_schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def no_regex(name: str, request: Asked) -> str:
    """Refuse a regular expression, for a server that knows none."""
    if request.regex is None:
        return ""
    return (
        f"{name} takes no regular expression as a grammar; leave constrain at auto and reasoning on, or use an engine"
        " that takes them: egm, vllm, sglang, trtllm or edgellm"
    )
