"""What a model is asked, and what came of it; both are free of what the asking is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import Completion, Request, Sampling, Token

Message = dict[str, Any]
ReadPicture = Callable[[Any], NDArray[np.uint8]]
_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def picture_part(reference: Any) -> Message:
    """Give a message's part that is a picture, read when its turn comes; `reference` is free JSON, such as a path."""
    return {"type": "picture", "picture": reference}


def text_part(text: str) -> Message:
    """Give the part of a message that is text."""
    return {"type": "text", "text": text}


@dataclass(frozen=True)
class Job:
    """One thing to ask: messages as the OpenAI chat API has them, and how the answer is drawn.

    `key` is what answers are stored by, so it must change with whatever changes the answer. Parts of messages may be
    `picture_part`s besides OpenAI's own. At most one of `schema` (JSON schema) and `regex` says what the answer must
    look like; a server may ignore it. `template` and `reasoning` are those of `Request`.
    """

    key: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    schema: dict[str, Any] | None = None
    regex: str | None = None
    logprobs: bool = False
    template: dict[str, Any] = field(default_factory=dict)
    reasoning: bool = True

    @classmethod
    def about_picture(cls, key: str, reference: Any, prompt: str, **fields: Any) -> Job:
        """Ask about one picture in one message."""
        return cls(key, ({"role": "user", "content": [picture_part(reference), text_part(prompt)]},), **fields)

    def single(self) -> tuple[Any, str]:
        """Give the reference and the prompt of a job about one picture; ValueError where it is another one."""
        match [(message["role"], message["content"]) for message in self.messages]:
            case [("user", [{"type": "picture", "picture": reference}, {"type": "text", "text": text}])]:
                return reference, text
        raise ValueError("this engine takes one picture and then one text in one message; ask a server for more")

    def request(self, image: NDArray[np.uint8] = _NO_PICTURE, prompt: str = "") -> Request:
        """Say the job as a request of an engine."""
        return Request(
            self.key,
            image,
            prompt,
            self.sampling,
            regex=self.regex,
            json_schema=self.schema,
            logprobs=self.logprobs,
            template=self.template,
            reasoning=self.reasoning,
        )

    def to_json(self) -> str:
        """Write the job as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        told = json.loads(text)
        return cls(**{**told, "messages": tuple(told["messages"]), "sampling": Sampling(**told["sampling"])})


@dataclass(frozen=True)
class Answer:
    """What came of a job: a text, or an `error` that says why there is none.

    `model` is the name that came with the answer, `usage` what the server counted (tokens), `at` the Unix time at which
    it was asked, and `seconds` how long it took; both are 0 where many were answered together. `tokens` have natural
    log-probabilities, where the job asked for them. `calls` names the tool that the answer calls, though none was
    offered; stores do not keep it.
    """

    key: str
    text: str = ""
    finish: str = ""
    error: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    at: float = 0.0
    seconds: float = 0.0
    tokens: tuple[Token, ...] = ()
    calls: str = ""

    @property
    def completion(self) -> Completion:
        """The answer as an engine gives it."""
        return Completion(self.text, self.tokens, self.finish)

    def to_json(self) -> str:
        """Write the answer as JSON."""
        return json.dumps({**asdict(self), "tokens": [[token.text, token.logprob] for token in self.tokens]})

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Read what `to_json` wrote."""
        told = json.loads(text)
        return cls(**{**told, "tokens": tuple(Token(*token) for token in told["tokens"])})
