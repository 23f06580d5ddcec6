"""The one interface of every inference engine: start, generate as a stream, abort, health, close.

An engine turns an image and a prompt into text; it knows nothing of boxes. Grounder, node and evaluation speak
to this interface alone.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from egm_core.families.thinking import Thinking
from egm_core.servers.dialect import Grammar

if TYPE_CHECKING:
    from typing import Self

State = Literal["starting", "ready", "failed", "closed"]

LEAST_SEED, LARGEST_SEED = -(2**63), 2**64 - 1
# Weights that are rounded so far as they are loaded give other probabilities. Their folder is the same, so that its
# digest does not tell. Folders of quantised weights have digests of their own.
QUANTISED = ("fp8",)


class EngineError(RuntimeError):
    """An engine that could not answer; `reason` is one word for programs, the text is for people.

    Reasons: `engine_unreachable`, `engine_http_<status>`, `engine_timeout`, `engine_cut_stream`,
    `engine_garbage`, `engine_empty`, `engine_not_ready`, `engine_failed`, `engine_closed`, `engine_request`.
    `wait` is how many seconds the server wants to be left alone before it is asked again.
    """

    def __init__(self, reason: str, detail: str, wait: float = 0.0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.wait = wait
        # What the server says that the attempt has cost all the same, as it counts tokens.
        self.usage: dict[str, Any] = {}

    def __reduce__(self) -> tuple[type[EngineError], tuple[str, str, float]]:
        """Let the error travel between processes, where Python would make it anew from its text alone."""
        return type(self), (self.reason, self.detail, self.wait)


@dataclass(frozen=True)
class Token:
    """One generated token: its text, and its natural log-probability where the engine tells."""

    text: str
    logprob: float | None = None


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer. `finish` is None until the last one: "stop", "length" or "abort".

    The texts of all chunks joined are the answer; so are the texts of all tokens, where tokens are given. The last one
    has what the server says to have counted, in its own words, which nobody has checked; None where it told nothing.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish: str | None = None
    usage: Any = None


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; the defaults are the paper's inference settings (Table 8): greedy.

    `top_k` 0 means no limit; `seed` None draws anew each time.
    """

    max_tokens: int = 4096
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 20
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; give at least 1")
        if self.seed is not None and not LEAST_SEED <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed is {self.seed}; give a whole number of 64 bits")
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0 or self.repetition_penalty <= 0:
            raise ValueError(
                f"{self} cannot be sampled from: temperature >= 0, 0 < top_p <= 1, top_k >= 0, penalty > 0"
            )


@dataclass(frozen=True)
class Request:
    """One query: an image (H, W, 3 uint8 RGB), a prompt, and what the answer must look like.

    `id` names the query in `abort`; at most one of `regex` and `json_schema` constrains the answer, and an
    engine may ignore it, so check the answer afterwards. `template` are arguments of the model's chat template, such as
    `enable_thinking`. `reasoning=False` forbids the model to think. `counts` asks a server to tell how many tokens it
    has counted, for which the answer's end may come a little later. `adapter` is the name of the LoRA adapter that
    answers, where the engine has several on one model; empty: the model itself. `again` is asked before a server that
    refused how it was asked is asked otherwise, which is another request; False forbids it.
    """

    id: str
    image: NDArray[np.uint8]
    prompt: str
    sampling: Sampling = field(default_factory=Sampling)
    regex: str | None = None
    json_schema: dict[str, Any] | None = None
    logprobs: bool = True
    template: dict[str, Any] = field(default_factory=dict)
    reasoning: bool = True
    counts: bool = False
    adapter: str = ""
    again: Callable[[], bool] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8 or not self.image.size:
            raise ValueError(
                f"an image must be (H, W, 3) uint8 RGB and not empty, not {self.image.shape} {self.image.dtype}"
            )
        try:
            self.prompt.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"the prompt is no Unicode text ({error.reason} at {error.start}); send it as UTF-8"
            ) from error
        if self.regex is not None and self.json_schema is not None:
            raise ValueError("a request takes a regex or a JSON schema, not both")


@dataclass(frozen=True)
class Completion:
    """A whole answer: the chunks of one request joined; `usage` as in `Chunk`."""

    text: str
    tokens: tuple[Token, ...]
    finish: str
    usage: Any = None


@dataclass(frozen=True)
class Health:
    """How an engine is: its state, what to know about it in words, and the model's name."""

    state: State
    detail: str = ""
    model: str = ""


def computed_by(program: str, precision: str) -> str:
    """Name a program, and the precision where it rounds the weights to fewer bits as it loads them."""
    return f"{program} {precision}" if program and precision in QUANTISED else program


class Engine(ABC):
    """An inference engine; every method may be called from several threads."""

    def start(self) -> None:  # noqa: B027 - an engine with nothing to start is fine
        """Begin loading, and return at once; `health` tells when it is ready."""

    @abstractmethod
    def generate(self, request: Request) -> Iterator[Chunk]:
        """Answer a request piece by piece; the last chunk carries `finish`. Raises EngineError.

        Closing the iterator early aborts the request.
        """

    @abstractmethod
    def abort(self, request_id: str) -> None:
        """Stop a running request, which then ends with finish "abort"; an unknown id is ignored."""

    @abstractmethod
    def health(self) -> Health:
        """Say how the engine is, within about two seconds; never raises."""

    @abstractmethod
    def close(self) -> None:
        """Abort everything and free the engine; calling it again does nothing."""

    def grammar(self) -> Grammar:
        """Say what a request's regex is worth here: enforced for sure, accepted by the server, or ignored."""
        return "none"

    def thinking(self) -> Thinking | None:
        """Say how the chat template of the model here begins an answer; None where the engine cannot tell."""
        return None

    def kind(self) -> str:
        """Name the program that computes the answers, such as transformers, vllm or vllm fp8; empty where nobody knows.

        Scores of different programs differ, and those of quantised weights; each is calibrated on its own.
        """
        return ""

    def wait_ready(self, timeout: float = 600.0) -> Health:
        """Wait until the engine is ready; EngineError when it fails or `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        while True:
            health = self.health()
            if health.state == "ready":
                return health
            if health.state in ("failed", "closed"):
                raise EngineError(f"engine_{health.state}", health.detail or "the engine cannot be used")
            if time.monotonic() > deadline:
                raise EngineError("engine_not_ready", f"not ready within {timeout:g} s: {health.detail}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def handed_over(queue: SimpleQueue[Chunk | EngineError]) -> Iterator[Chunk]:
    """Give the chunks of one answer as another thread puts them, up to the last; raises the error that it puts."""
    while True:
        chunk = queue.get()
        if isinstance(chunk, EngineError):
            raise chunk
        yield chunk
        if chunk.finish is not None:
            return


def collect(chunks: Iterable[Chunk]) -> Completion:
    """Join the chunks of one answer."""
    text: list[str] = []
    tokens: list[Token] = []
    finish = "stop"
    usage: Any = None
    for chunk in chunks:
        text.append(chunk.text)
        tokens.extend(chunk.tokens)
        finish = chunk.finish or finish
        usage = usage if chunk.usage is None else chunk.usage
    return Completion("".join(text), tuple(tokens), finish, usage)
