"""The engine that runs a model folder in this process, with transformers and torch.

For the shell, evaluation and training, and behind `egm_core.serve`. One worker thread owns the model; requests
that wait at the same moment are answered as one batch, and each streams and stops on its own.
"""

from __future__ import annotations

import atexit
import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray

from egm_core.engines.base import (
    Chunk,
    Completion,
    Engine,
    EngineError,
    Health,
    Request,
    Sampling,
    State,
    collect,
    handed_over,
)
from egm_core.engines.checkpoint import Checkpoint, Picture
from egm_core.engines.constrain import Grammars
from egm_core.engines.generation import Row, run_batch
from egm_core.engines.reader import Reader
from egm_core.families.thinking import Thinking
from egm_core.servers.dialect import Grammar

PICTURES_KEPT = 16
WINDOW = 8


@dataclass(eq=False)
class _Job:
    row: Row
    emit: Callable[[Chunk | EngineError], None]
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass
class Counts:
    """What an engine has done since its start, and what it is doing now."""

    received: int = 0
    completed: int = 0
    aborted: int = 0
    failed: int = 0
    tokens: int = 0
    batches: int = 0
    running: int = 0
    waiting: int = 0


class TransformersEngine(Engine):
    """A vision-language model in this process (Qwen3-VL, Qwen3.5 or InternVL-hf folder).

    `device`, `dtype`: see `Checkpoint`. `max_pixels` lowers the image budget, `threads` sets torch's threads
    (default: one for a tiny model on a CPU, else torch decides).
    At most `max_batch` requests are answered together, and the first of them waits `batch_wait` seconds for
    company (visible and amodal query of one picture come a moment apart).
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = "auto",
        dtype: str = "auto",
        max_pixels: int | None = None,
        threads: int | None = None,
        max_batch: int = 8,
        batch_wait: float = 0.01,
    ) -> None:
        self.model_path = Path(model_path)
        self._options = (device, dtype, max_pixels)
        self._threads = threads
        self._max_batch = max_batch
        self._batch_wait = batch_wait
        self._state: State | None = None
        self._detail = "not started"
        self._checkpoint: Checkpoint | None = None
        self._reader: Reader | None = None
        self._grammars: Grammars | None = None
        self._thinking: Thinking | None = None
        self._pictures: OrderedDict[tuple[tuple[int, ...], bytes], Picture] = OrderedDict()
        self._encoding = threading.Lock()
        self._model = threading.Lock()
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._counts = Counts()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Begin loading the model in the worker thread."""
        with self._changed:
            if self._state is None:
                self._state, self._detail = "starting", f"loading {self.model_path.name}"
                self._worker = threading.Thread(target=self._work, name="transformers-engine", daemon=True)
                self._worker.start()
                # Python ends by force a thread that is inside torch, and the process with it.
                atexit.register(self.close)

    def health(self) -> Health:
        """Say how the engine is."""
        return Health(self._state or "starting", self._detail, self.model_path.name)

    def grammar(self) -> Grammar:
        """A regex is enforced."""
        return "enforced"

    def kind(self) -> str:
        """It is transformers."""
        return "transformers"

    def device(self) -> str:
        """Name the device that the model is on, and what GPU that is; empty as long as it is not loaded."""
        device = self._checkpoint.device if self._checkpoint else ""
        return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device

    def thinking(self) -> Thinking | None:
        """Tell from the checkpoint's chat template; None as long as it is not loaded."""
        return self._thinking

    def counts(self) -> Counts:
        """Give a snapshot of the engine's counters."""
        with self._changed:
            tokens = self._counts.tokens + sum(job.row.generated for job in self._running)
            return replace(self._counts, tokens=tokens, running=len(self._running), waiting=len(self._waiting))

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Queue a request and give its answer as it is made; closing the iterator aborts it."""
        chunks: SimpleQueue[Chunk | EngineError] = SimpleQueue()
        return self._stream(self._queue(request, chunks.put), chunks)

    def _stream(self, job: _Job, chunks: SimpleQueue[Chunk | EngineError]) -> Iterator[Chunk]:
        try:
            yield from handed_over(chunks)
        finally:
            self._stop(job)

    def submit(self, request: Request, emit: Callable[[Chunk | EngineError], None]) -> int:
        """Queue a request whose chunks, and error, go to `emit` in the worker's thread; returns its prompt's tokens.

        The last call of `emit` has a chunk with `finish`, or an error. Raises EngineError where the request
        cannot even be queued.
        """
        return len(self._queue(request, emit).row.ids)

    def _queue(self, request: Request, emit: Callable[[Chunk | EngineError], None]) -> _Job:
        self._check_ready()
        job = _Job(self._row(request), emit)
        job.row.emit, job.row.stopped = emit, job.stop.is_set
        with self._changed:
            self._check_ready()
            if any(j.row.request.id == request.id and j.row.finish is None for j in (*self._waiting, *self._running)):
                raise EngineError("engine_request", f"a request with id {request.id!r} is already running")
            self._counts.received += 1
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def generate_batch(self, requests: Sequence[Request], batch_size: int = 16) -> list[Completion]:
        """Answer many requests in the calling thread, in batches; the answers keep the requests' order.

        For evaluation and training: rows of one image go together, for a batch encodes it once, and so do images
        whose rows are of similar length.
        Starts the engine if need be. Raises EngineError.
        """
        self.start()
        self.wait_ready()
        answers: dict[int, list[Chunk]] = {}
        for start in range(0, len(requests), batch_size * WINDOW):
            groups: dict[Sampling, list[Row]] = {}
            for number in range(start, min(start + batch_size * WINDOW, len(requests))):
                row = self._row(requests[number])
                row.emit = answers.setdefault(number, []).append
                groups.setdefault(_alike(row.request.sampling), []).append(row)
            for sampling, group in groups.items():
                size = 1 if _seeded(sampling) else batch_size
                group = _together(group)
                for first in range(0, len(group), size):
                    rows = group[first : first + size]
                    self._run(rows)
                    with self._changed:
                        self._counts.received += len(rows)
                        self._account(rows)
        return [collect(answers[number]) for number in range(len(requests))]

    def abort(self, request_id: str) -> None:
        """Stop a request: a waiting one at once, a running one before its next token."""
        with self._changed:
            jobs = [job for job in (*self._waiting, *self._running) if job.row.request.id == request_id]
        for job in jobs:
            self._stop(job)

    def close(self) -> None:
        """Abort everything, end the worker and let go of the model."""
        with self._changed:
            before, self._state, self._detail = self._state, "closed", "the engine was closed"
            jobs = [*self._waiting, *self._running]
            self._changed.notify_all()
        if before == "closed":
            return
        atexit.unregister(self.close)
        for job in jobs:
            self._stop(job)
        if self._worker is not None and self._worker is not threading.current_thread():
            # Loading cannot be interrupted; a worker that loads ends by itself once it is done.
            self._worker.join(timeout=30 if before == "ready" else 0.5)
        self._checkpoint = self._grammars = self._reader = None
        self._pictures.clear()
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    @property
    def lingers(self) -> bool:
        """Tell whether the worker still runs: between close and the end of a load."""
        return self._worker is not None and self._worker.is_alive()

    def _check_ready(self) -> None:
        if self._state != "ready":
            reason = {"failed": "engine_failed", "closed": "engine_closed"}.get(self._state or "", "engine_not_ready")
            raise EngineError(reason, self._detail)

    def _stop(self, job: _Job) -> None:
        job.stop.set()
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._counts.aborted += 1
                job.row.finish = "abort"
                job.emit(Chunk("", (), "abort"))

    def _row(self, request: Request) -> Row:
        checkpoint = self._checkpoint
        if checkpoint is None:
            raise EngineError("engine_not_ready", self._detail)
        with self._encoding:
            try:
                picture = self._picture(checkpoint, request.image)
            except ValueError as error:
                raise EngineError("engine_request", f"the image cannot be used: {error}") from error
            row = Row(*_within(request, checkpoint, picture), picture)
        if self._grammars is not None:
            row.matcher, row.tokens = self._grammars.matcher(request), self._grammars.size
        return row

    def _picture(self, checkpoint: Checkpoint, image: NDArray[np.uint8]) -> Picture:
        key = (image.shape, blake2b(np.ascontiguousarray(image).data, digest_size=16).digest())
        if key not in self._pictures:
            self._pictures[key] = checkpoint.picture(image)
            if len(self._pictures) > PICTURES_KEPT:
                self._pictures.popitem(last=False)
        self._pictures.move_to_end(key)
        return self._pictures[key]

    def _work(self) -> None:
        try:
            self._load()
        except Exception as error:  # the thread's edge: whatever failed becomes the engine's state
            with self._changed:
                if self._state != "closed":
                    told = error.detail if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
                    self._state, self._detail = "failed", told
            return
        while jobs := self._gather():
            self._answer(jobs)
            with self._changed:
                self._account([job.row for job in jobs])
                self._running.clear()

    def _load(self) -> None:
        began = time.monotonic()
        self._checkpoint = Checkpoint(self.model_path, *self._options)
        self._reader = Reader(self._checkpoint)
        self._thinking = self._checkpoint.thinking()
        # Seconds, for a vocabulary of 150,000.
        self._grammars = Grammars(self._checkpoint.tokenizer, self._checkpoint.end_ids)
        # The first call prepares kernels and caches; a user's first query should not pay for that.
        warmth = Request("warm-up", np.zeros((64, 64, 3), np.uint8), "warm up", Sampling(max_tokens=2))
        self._run([self._row(warmth)])
        with self._changed:
            self._pictures.clear()
            if self._state == "starting":
                device, dtype = self._checkpoint.device, str(self._checkpoint.model.dtype).removeprefix("torch.")
                self._state = "ready"
                self._detail = f"on {device} in {dtype}, loaded in {time.monotonic() - began:.1f} s"

    def _gather(self) -> list[_Job]:
        """Wait for requests, and a little longer for more; nothing once the engine is closed."""
        with self._changed:
            while self._state == "ready":
                if not self._waiting:
                    self._changed.wait()
                    continue
                deadline = time.monotonic() + self._batch_wait
                while len(self._waiting) < self._max_batch and (left := deadline - time.monotonic()) > 0:
                    self._changed.wait(left)
                if self._waiting and self._state == "ready":
                    break
            else:
                return []
            first = self._waiting[0].row.request.sampling
            alike = [job for job in self._waiting if _alike(job.row.request.sampling) == _alike(first)]
            self._running = alike[: 1 if _seeded(first) else self._max_batch]
            for job in self._running:
                self._waiting.remove(job)
            return list(self._running)

    def _answer(self, jobs: list[_Job]) -> None:
        try:
            self._run([job.row for job in jobs])
        except Exception as error:  # the thread's edge: it becomes the requests' error, and the worker lives on
            untouched = [job for job in jobs if job.row.generated == 0] if len(jobs) > 1 else []
            for job in untouched:
                self._answer([job])
            for job in jobs:
                if job not in untouched and job.row.finish is None:
                    job.row.finish = "error"
                    job.emit(EngineError("engine_failed", f"{type(error).__name__}: {error}"))

    def _run(self, rows: list[Row]) -> None:
        checkpoint, reader = self._checkpoint, self._reader
        if checkpoint is None or reader is None:
            raise EngineError("engine_closed", self._detail)
        with self._model:
            threads = self._threads or (1 if checkpoint.tiny and checkpoint.device == "cpu" else None)
            if threads is not None and torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            run_batch(checkpoint, reader, rows)

    def _account(self, rows: list[Row]) -> None:
        self._counts.batches += 1
        self._counts.tokens += sum(row.generated for row in rows)
        self._counts.completed += sum(row.finish in ("stop", "length") for row in rows)
        self._counts.aborted += sum(row.finish == "abort" for row in rows)
        self._counts.failed += sum(row.finish == "error" for row in rows)


def _within(request: Request, checkpoint: Checkpoint, picture: Picture) -> tuple[Request, list[int]]:
    """Write a prompt as token ids, and let its answer end where the model's context does; EngineError if none fits."""
    if request.adapter:
        raise EngineError("engine_request", f"adapter {request.adapter!r}: transformers loads none; ask vLLM")
    context = checkpoint.context
    characters = len(request.prompt)
    if characters > context * checkpoint.longest_token:
        raise EngineError(
            "engine_request", f"{characters} characters cannot fit the model's {context} tokens; ask shorter"
        )
    ids = checkpoint.ids(request.prompt, picture, request.template)
    if len(ids) >= context:
        raise EngineError(
            "engine_request",
            f"prompt and picture are {len(ids)} tokens, and the model has room for {context}; ask shorter, "
            "or lower max_pixels",
        )
    longest = min(request.sampling.max_tokens, context - len(ids))
    return replace(request, sampling=replace(request.sampling, max_tokens=longest)), ids


def _together(rows: Sequence[Row]) -> list[Row]:
    """Order rows so that those of one picture stay together, and pictures come by their longest row."""
    by_picture: dict[int, list[Row]] = {}
    for row in rows:
        by_picture.setdefault(id(row.picture), []).append(row)
    groups = sorted(by_picture.values(), key=lambda group: max(len(row.ids) for row in group))
    return [row for group in groups for row in group]


def _alike(sampling: Sampling) -> Sampling:
    """Reduce sampling settings to what a whole batch must share."""
    return replace(sampling, max_tokens=1)


def _seeded(sampling: Sampling) -> bool:
    """Tell whether an answer depends on a seed: such a request runs alone, so that it can be repeated."""
    return sampling.seed is not None and sampling.temperature > 0
