"""What goes over the wire: OpenAI chat requests with one picture in, completions and stream events out."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from egm_core.engines.base import Chunk, EngineError, Request, Sampling, Token

LARGEST_IMAGE = 100_000_000


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


class ImageURL(BaseModel):
    """Where a picture is: a data URL."""

    url: str


class Part(BaseModel):
    """A piece of a message: text or a picture."""

    type: Literal["text", "image_url"]
    text: str = ""
    image_url: ImageURL | None = None


class Message(BaseModel):
    """One turn of a chat."""

    role: str
    content: str | list[Part]


class StreamOptions(BaseModel):
    """What a stream carries beside text."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """OpenAI's chat request, with vLLM's names for what OpenAI lacks; further fields are ignored."""

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int = 1
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=20, ge=-1)
    repetition_penalty: float = Field(default=1.0, gt=0)
    seed: int | None = None
    logprobs: bool = False
    response_format: dict[str, Any] | None = None
    structured_outputs: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str] | None = None

    def to_request(self, request_id: str, limit: int) -> Request:
        """Turn the body into an engine's request of at most `limit` tokens; Refusal says what does not fit."""
        if self.n != 1:
            raise _refuse(f"n is {self.n}; this server gives one answer, so leave n out")
        users = [message for message in self.messages if message.role == "user"]
        if len(self.messages) != 1 or len(users) != 1 or isinstance(users[0].content, str):
            raise _refuse("send exactly one message, of role user, whose content is a list: one image_url and a text")
        parts = users[0].content
        pictures = [part.image_url for part in parts if part.type == "image_url" and part.image_url is not None]
        prompt = "\n".join(part.text for part in parts if part.type == "text" and part.text)
        if len(pictures) != 1 or not prompt:
            raise _refuse(f"send one image_url and a text, not {len(pictures)} pictures and {len(prompt)} characters")
        regex, schema = self._grammar()
        asked = self.max_completion_tokens or self.max_tokens or limit
        return Request(
            id=request_id,
            image=read_data_url(pictures[0].url),
            prompt=prompt,
            sampling=Sampling(
                max_tokens=min(asked, limit),
                temperature=self.temperature,
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
                raise _refuse("response_format of type json_schema needs json_schema.schema, an object")
        elif form.get("type") != "text":
            raise _refuse(f"response_format {form.get('type')!r} is not served; there are text and json_schema")
        if unknown or not isinstance(regex, str | None) or not isinstance(schema, dict | None):
            raise _refuse("structured_outputs takes a regex (a string) or a json (an object with a JSON schema)")
        if regex is not None and schema is not None:
            raise _refuse("an answer can follow a regex or a JSON schema, not both")
        return regex, schema


def _refuse(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)


def read_data_url(url: str) -> NDArray[np.uint8]:
    """Decode a `data:image/...;base64,` URL to (H, W, 3) RGB; Refusal where it is none."""
    if not url.startswith("data:"):
        raise _refuse("this server fetches nothing; send the image itself as a data URL (data:image/png;base64,...)")
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise _refuse(f"{head[:60]!r} is not an image's data URL; write data:image/png;base64,...")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refuse(f"the image's base64 is broken: {error}") from error
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) if raw else None
    except cv2.error as error:
        raise _refuse(f"the image cannot be decoded: {error}") from error
    if image is None or image.shape[0] * image.shape[1] > LARGEST_IMAGE:
        raise _refuse("the image cannot be decoded; send a PNG or JPEG of less than a hundred megapixels")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def refusal_of(error: EngineError) -> Refusal:
    """Translate an engine's error into HTTP."""
    if error.reason == "engine_request":
        return _refuse(error.detail)
    if error.reason in ("engine_not_ready", "engine_closed"):
        return Refusal(503, "service_unavailable", error.detail)
    return Refusal(500, "server_error", str(error))


def _logprobs(tokens: tuple[Token, ...]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": token.text,
                "logprob": max(token.logprob, -9999.0) if token.logprob is not None else -9999.0,
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
