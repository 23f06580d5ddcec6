"""What a user would write without this package: transformers' `generate`, one question after the other.

No grammar, no log-probabilities, no batches; questions that come together wait for each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from egm_core.engines.base import Chunk, Engine, EngineError, Health, Request, Token, handed_over
from egm_core.engines.checkpoint import Checkpoint


class _Streamer(BaseStreamer):
    """Hands on each token as it is there; the first call has the prompt."""

    def __init__(self, put: Any, decode: Any) -> None:
        self._put, self._decode = put, decode
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        """Take tokens."""
        if self._prompt:
            self._prompt = False
            return
        for token in value.flatten().tolist():
            text = self._decode(token)
            self._put(Chunk(text, (Token(text),)))

    def end(self) -> None:
        """Take the end; `generate` returns at once."""


class _Given(StoppingCriteria):
    """Ends an answer that was given up."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._stopped.is_set(), device=input_ids.device)


class GenerateEngine(Engine):
    """A model folder, and `generate` around it; `threads` None leaves torch's own number."""

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        dtype: str = "auto",
        max_pixels: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._path = path
        self._options = (device, dtype, max_pixels)
        self._threads = threads
        self._checkpoint: Checkpoint | None = None
        self._turn = threading.Lock()
        self._stops: dict[str, threading.Event] = {}

    def start(self) -> None:
        """Load the model."""
        if self._checkpoint is None:
            self._checkpoint = Checkpoint(self._path, *self._options)

    @property
    def checkpoint(self) -> Checkpoint:
        """The model in memory."""
        if self._checkpoint is None:
            raise EngineError("engine_not_ready", "the model is not loaded")
        return self._checkpoint

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Answer a question once those before it are answered."""
        stop = self._stops[request.id] = threading.Event()
        chunks: SimpleQueue[Chunk | EngineError] = SimpleQueue()
        threading.Thread(target=self._answer, args=(request, stop, chunks), name="generate", daemon=True).start()
        try:
            yield from handed_over(chunks)
        finally:
            stop.set()
            self._stops.pop(request.id, None)

    def _answer(self, request: Request, stop: threading.Event, chunks: SimpleQueue[Chunk | EngineError]) -> None:
        checkpoint = self.checkpoint
        try:
            with self._turn, torch.inference_mode():
                if self._threads is not None and torch.get_num_threads() != self._threads:
                    torch.set_num_threads(self._threads)
                picture = checkpoint.picture(request.image)
                ids = checkpoint.ids(request.prompt, picture, request.template)
                longest = min(request.sampling.max_tokens, checkpoint.context - len(ids))
                checkpoint.model.generate(
                    **checkpoint.batch([(ids, picture)]),
                    do_sample=False,
                    max_new_tokens=longest,
                    eos_token_id=sorted(checkpoint.end_ids),
                    pad_token_id=checkpoint.pad_id,
                    streamer=_Streamer(chunks.put, lambda token: checkpoint.tokenizer.decode([token])),
                    stopping_criteria=StoppingCriteriaList([_Given(stop)]),
                )
            chunks.put(Chunk("", (), "stop"))
        except Exception as error:  # the thread's edge: whatever failed becomes the question's error
            chunks.put(EngineError("engine_failed", f"{type(error).__name__}: {error}"))

    def abort(self, request_id: str) -> None:
        """End an answer before its next token."""
        stop = self._stops.get(request_id)
        if stop is not None:
            stop.set()

    def health(self) -> Health:
        """Say whether the model is loaded."""
        return Health("ready" if self._checkpoint else "starting", "", self._path.name)

    def kind(self) -> str:
        """It is transformers."""
        return "transformers"

    def close(self) -> None:
        """Give up what runs, and let go of the model."""
        for stop in list(self._stops.values()):
            stop.set()
        until = time.monotonic() + 30
        while self._stops and time.monotonic() < until:
            time.sleep(0.01)
        self._checkpoint = None
