"""What goes over the wire: OpenAI chat requests with one picture in, completions and stream events out."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from egm_core.engines.base import LARGEST_SEED, LEAST_SEED, Chunk, EngineError, Request, Sampling, Token

PARTS = 64
COLDEST = 1e-5
LONGEST_GRAMMAR = 10_000


class Refusal(Exception):
    """A request that cannot be served: HTTP status, OpenAI's error type, and a text that says what to change."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message

    @property
    def body(self) -> dict[str, Any]:
        """The error in OpenAI's shape."""
        return {"error": {"message": self.message, "type": self.kind, "param": None, "code": self.status}}


def _null_is(default: Any) -> BeforeValidator:
    """Take null for a default, as OpenAI does for what is optional."""
    return BeforeValidator(lambda value: default if value is None else value)


class ImageURL(BaseModel):
    """Where a picture is: a data URL."""

    url: str


class Part(BaseModel):
    """A piece of a message: text or a picture."""

    type: Literal["text", "image_url"]
    text: Annotated[str, _null_is("")] = ""
    image_url: ImageURL | None = None


class Message(BaseModel):
    """One turn of a chat."""

    role: str
    content: str | Annotated[list[Part], Field(max_length=PARTS)]


class StreamOptions(BaseModel):
    """What a stream carries beside text."""

    include_usage: Annotated[bool, _null_is(False)] = False


class ChatRequest(BaseModel):
    """OpenAI's chat request, with vLLM's names for what OpenAI lacks; further fields are ignored."""

    model_config = ConfigDict(allow_inf_nan=False)

    model: str | None = None
    messages: list[Message] = Field(min_length=1, max_length=1)
    stream: Annotated[bool, _null_is(False)] = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, _null_is(1)] = 1
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: Annotated[float, _null_is(0.0)] = Field(default=0.0, ge=0, le=2)
    top_p: Annotated[float, _null_is(1.0)] = Field(default=1.0, gt=0, le=1)
    top_k: Annotated[int, _null_is(20)] = Field(default=20, ge=-1)
    # Beyond this a penalty leaves no finite logit.
    repetition_penalty: Annotated[float, _null_is(1.0)] = Field(default=1.0, ge=0.01, le=100)
    seed: int | None = Field(default=None, ge=LEAST_SEED, le=LARGEST_SEED)
    logprobs: Annotated[bool, _null_is(False)] = False
    response_format: dict[str, Any] | None = None
    structured_outputs: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str] | None = None

    def asked(self) -> tuple[str, str]:
        """Give the picture's URL and the prompt; Refusal says what does not fit."""
        if self.n != 1:
            raise refuse(f"n is {self.n}; this server gives one answer, so leave n out")
        users = [message for message in self.messages if message.role == "user"]
        if len(self.messages) != 1 or len(users) != 1 or isinstance(users[0].content, str):
            raise refuse("send exactly one message, of role user, whose content is a list: one image_url and a text")
        parts = users[0].content
        pictures = [part.image_url for part in parts if part.type == "image_url" and part.image_url is not None]
        prompt = "\n".join(part.text for part in parts if part.type == "text" and part.text)
        if len(pictures) != 1 or not prompt:
            raise refuse(f"send one image_url and a text, not {len(pictures)} pictures and {len(prompt)} characters")
        return pictures[0].url, prompt

    def to_request(self, request_id: str, image: NDArray[np.uint8], limit: int) -> Request:
        """Turn the body into an engine's request of at most `limit` tokens; Refusal says what does not fit."""
        regex, schema = self._grammar()
        return Request(
            id=request_id,
            image=image,
            prompt=self.asked()[1],
            sampling=Sampling(
                max_tokens=min(self.max_completion_tokens or self.max_tokens or limit, limit),
                # Below this no logit stays finite, and the likeliest token is drawn anyway.
                temperature=self.temperature if self.temperature >= COLDEST else 0.0,
                top_p=self.top_p,
                top_k=max(self.top_k, 0),
                repetition_penalty=self.repetition_penalty,
                seed=self.seed,
            ),
            regex=regex,
            json_schema=schema,
            logprobs=self.logprobs,
            template=self.chat_template_kwargs or {},
        )

    def _grammar(self) -> tuple[str | None, dict[str, Any] | None]:
        structured = self.structured_outputs or {}
        regex, schema = structured.get("regex"), structured.get("json")
        unknown = set(structured) - {"regex", "json"}
        form = self.response_format or {"type": "text"}
        if form.get("type") == "json_schema":
            schema = (form.get("json_schema") or {}).get("schema")
            if not isinstance(schema, dict):
                raise refuse("response_format of type json_schema needs json_schema.schema, an object")
        elif form.get("type") != "text":
            raise refuse(f"response_format {form.get('type')!r} is not served; there are text and json_schema")
        if unknown or not isinstance(regex, str | None) or not isinstance(schema, dict | None):
            raise refuse("structured_outputs takes a regex (a string) or a json (an object with a JSON schema)")
        if len(regex or "") > LONGEST_GRAMMAR or len(str(schema or "")) > 10 * LONGEST_GRAMMAR:
            raise refuse(f"the grammar is too long: {LONGEST_GRAMMAR} characters for a regex, ten times that for JSON")
        if regex is not None and schema is not None:
            raise refuse("an answer can follow a regex or a JSON schema, not both")
        return regex, schema


def refuse(message: str) -> Refusal:
    """Make the refusal of a request that is wrong in itself."""
    return Refusal(400, "invalid_request_error", message)


def refusal_of(error: EngineError) -> Refusal:
    """Translate an engine's error into HTTP."""
    if error.reason == "engine_request":
        return refuse(error.detail)
    if error.reason in ("engine_not_ready", "engine_closed"):
        return Refusal(503, "service_unavailable", error.detail)
    return Refusal(500, "server_error", str(error))


def _logprobs(tokens: tuple[Token, ...]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": token.text,
                # JSON has no infinity; what is not known is null, never a probability of zero.
                "logprob": None if token.logprob is None else max(token.logprob, -9999.0),
                "bytes": list(token.text.encode("utf-8", "surrogatepass")),
                "top_logprobs": [],
            }
            for token in tokens
        ]
    }


def usage(prompt_tokens: int, tokens: int) -> dict[str, int]:
    """Count tokens as OpenAI does."""
    return {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}


def event(request_id: str, model: str, chunk: Chunk, logprobs: bool) -> dict[str, Any]:
    """Make one stream event of a chunk."""
    choice: dict[str, Any] = {"index": 0, "delta": {"content": chunk.text}, "finish_reason": chunk.finish}
    choice["logprobs"] = _logprobs(chunk.tokens) if logprobs and chunk.tokens else None
    return {
        "id": request_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
    }


def completion(
    request_id: str, model: str, answer: Chunk, prompt_tokens: int, tokens: int, logprobs: bool
) -> dict[str, Any]:
    """Make the whole completion of an answer whose chunks were joined into one."""
    return {
        "id": request_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": answer.finish,
                "logprobs": _logprobs(answer.tokens) if logprobs else None,
            }
        ],
        "usage": usage(prompt_tokens, tokens),
    }
