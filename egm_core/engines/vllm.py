"""The engine that runs vLLM in this process: many questions at once, with no server and no HTTP between.

For evaluation and curation on a GPU. vLLM lives in an environment of its own, so the command runs there. Answers equal
those of vLLM's own server without a reasoning parser: the same tokens in, the same settings, and its pieces are read
by the same reader.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.answer_book import AnswerBook, Entry
from egm_core.engines.base import (
    Chunk,
    Completion,
    Engine,
    EngineError,
    Health,
    Request,
    State,
    collect,
    computed_by,
)
from egm_core.engines.http.sse import Reader, excerpt
from egm_core.families.thinking import Thinking, thinking_of
from egm_core.servers.checks import context
from egm_core.servers.dialect import Grammar
from egm_core.servers.vllm import SILENT

Message = dict[str, Any]
PICTURE = "picture"
FORKS = "VLLM_WORKER_MULTIPROCESSING_METHOD"
# Classes of vLLM's and of Python's own that say that a request is wrong.
WRONG = {"VLLMClientError", "ValueError", "TypeError"}


@dataclass(eq=False)
class _Job(Entry):
    messages: Sequence[Message] = ()


class VllmEngine(Engine):
    """A model folder in this process, run by vLLM's own engine class.

    `precision` is a number format that vLLM takes, or fp8. `memory_share` is the part of the GPU's memory that it may
    take, 0: as vLLM decides. A question has at most `pictures` pictures.
    """

    def __init__(
        self, model_path: str | Path, precision: str = "auto", memory_share: float = 0.0, pictures: int = 1
    ) -> None:
        self.model_path = Path(model_path)
        self._options: dict[str, Any] = {
            "model": str(model_path),
            "max_model_len": context(str(model_path)),
            "limit_mm_per_prompt": {"image": pictures, "video": 0},
            "disable_log_stats": True,
        }
        if precision == "fp8":
            self._options["quantization"] = precision
        elif precision != "auto":
            self._options["dtype"] = precision
        if memory_share:
            self._options["gpu_memory_utilization"] = memory_share
        self._state: State | None = None
        self._detail = "not started"
        self._engine: Any = None
        self._tokenizer: Any = None
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._book: AnswerBook[_Job] = AnswerBook(self._loop)
        self._thread = threading.Thread(target=self._run, name="vllm-engine", daemon=True)

    def start(self) -> None:
        """Begin loading the model in the engine's thread."""
        with self._lock:
            if self._state is None:
                self._state, self._detail = "starting", f"loading {self.model_path.name}"
                self._thread.start()

    def health(self) -> Health:
        """Say how the engine is."""
        return Health(self._state or "starting", self._detail, self.model_path.name)

    def grammar(self) -> Grammar:
        """Tell that a regex is enforced: there is no reasoning parser that would let a thought by."""
        return "enforced"

    def kind(self) -> str:
        """Tell that it is vLLM: scores are those of its server."""
        return computed_by("vllm", str(self._options.get("quantization", "")))

    def thinking(self) -> Thinking | None:
        """Tell from the chat template; None as long as the model is not loaded."""
        if self._tokenizer is None:
            return None
        return thinking_of(self._written)

    def device(self) -> str:
        """Name what vLLM runs on; empty as long as the model is not loaded."""
        if self._state != "ready":
            return ""
        from vllm.platforms import current_platform

        return str(current_platform.get_device_name() if current_platform.device_type != "cpu" else "cpu")

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Put a request to the engine and give its answer as it is made; closing the iterator aborts it."""
        parts = [{"type": PICTURE, PICTURE: request.image}, {"type": "text", "text": request.prompt}]
        return self.chat(request, [{"role": "user", "content": parts}])

    def chat(self, request: Request, messages: Sequence[Message]) -> Iterator[Chunk]:
        """Do as `generate` with other messages than one picture and a prompt; their pictures are arrays."""
        if request.adapter:
            raise EngineError("engine_request", f"adapter {request.adapter!r}: this process loads none; ask a server")
        with self._lock:
            if self._state != "ready":
                reason = {"failed": "engine_failed", "closed": "engine_closed"}.get(self._state or "")
                raise EngineError(reason or "engine_not_ready", self._detail)
        job = _Job(request, messages=messages)
        self._book.enter(job, partial(self._loop.call_soon_threadsafe, self._begin, job))
        return self._book.pieces(job)

    def generate_batch(self, requests: Sequence[Request], batch_size: int = 32) -> list[Completion]:
        """Answer many requests, all of which vLLM has at once and batches by itself, in the order of the requests.

        Raises EngineError.
        """
        self.start()
        self.wait_ready()
        streams = [self.generate(request) for request in requests]
        try:
            return [collect(stream) for stream in streams]
        finally:
            for stream, request in zip(streams, requests, strict=True):
                self.abort(request.id)
                stream.close()  # type: ignore[attr-defined]

    def abort(self, request_id: str) -> None:
        """Stop a request; vLLM frees its place at once."""
        self._book.stop(request_id)

    def close(self) -> None:
        """Abort everything, end vLLM's process and free the GPU."""
        with self._lock:
            before, self._state, self._detail = self._state, "closed", "the engine was closed"
        if before in (None, "closed"):
            return
        self._book.close()
        # A load that failed has closed the loop.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        # Loading cannot be interrupted; a thread that loads ends by itself once it is done.
        self._thread.join(timeout=60 if before == "ready" else 0.5)

    def _run(self) -> None:
        """Load, and then serve the event loop until it is closed."""
        asyncio.set_event_loop(self._loop)
        try:
            self._load()
            self._loop.run_forever()
        except Exception as error:  # the thread's edge: whatever failed becomes the engine's state
            with self._lock:
                if self._state != "closed":
                    self._state, self._detail = "failed", f"{type(error).__name__}: {excerpt(str(error))}"
        finally:
            if self._engine is not None:
                self._engine.shutdown()
                self._engine = None
            self._loop.run_until_complete(self._cancelled())
            self._loop.close()

    def _load(self) -> None:
        began = time.monotonic()
        for name, value in {**SILENT, "VLLM_LOGGING_LEVEL": "ERROR"}.items():
            os.environ.setdefault(name, value)
        from transformers import AutoTokenizer
        from vllm import envs
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        # To fork would copy the locks of this process's threads, held or not; newer versions do not by themselves.
        if FORKS in envs.environment_variables:
            os.environ.setdefault(FORKS, "spawn")
        self._tokenizer = AutoTokenizer.from_pretrained(self.model_path, local_files_only=True)
        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**self._options))
        with self._lock:
            if self._state == "starting":
                self._state, self._detail = "ready", f"vLLM, loaded in {time.monotonic() - began:.1f} s"
            else:
                self._loop.call_soon(self._loop.stop)

    async def _cancelled(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, job: _Job) -> None:
        job.task = self._loop.create_task(self._answer(job))

    async def _answer(self, job: _Job) -> None:
        reader = Reader()
        try:
            prompt = await asyncio.to_thread(self._prompt, job)
            made = 0
            async for output in self._engine.generate(prompt, _sampling(job.request), _name(job)):
                made += len(output.outputs[0].token_ids)
                chunk = reader.event(_event(output, job.request.logprobs, made), "delta")
                if chunk is not None:
                    self._book.put(job, chunk)
            self._book.put(job, Chunk("", (), "stop", reader.told))
        except EngineError as error:
            self._book.put(job, error)
        except Exception as error:  # the task's edge: it becomes the request's error, and the engine's where it is dead
            self._book.put(job, self._failed(error))

    def _failed(self, error: Exception) -> EngineError:
        """Say what an error of vLLM's means: the request is wrong, the engine is dead, or this one answer failed."""
        from vllm.v1.engine.exceptions import EngineDeadError

        if isinstance(error, EngineDeadError):
            with self._lock:
                if self._state == "ready":
                    self._state, self._detail = "failed", "vLLM's process has died (out of memory?)"
            return EngineError("engine_closed", self._detail)
        cause = error.__cause__ if type(error).__name__ == "EngineGenerateError" and error.__cause__ else error
        wrong = WRONG & {kind.__name__ for kind in type(cause).__mro__}
        return EngineError("engine_request" if wrong else "engine_failed", excerpt(f"{type(cause).__name__}: {cause}"))

    def _prompt(self, job: _Job) -> dict[str, Any]:
        """Write a chat as vLLM's server does: by the model's template, as tokens, with the pictures beside them."""
        from PIL import Image

        pictures: list[NDArray[np.uint8]] = []
        chat = [{**message, "content": _content(message["content"], pictures)} for message in job.messages]
        text = self._written(chat, job.request.template)
        # Tokenizers are not to be shared by threads.
        with self._writing:
            ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        prompt: dict[str, Any] = {"prompt_token_ids": list(ids)}
        if pictures:
            prompt["multi_modal_data"] = {"image": [Image.fromarray(picture) for picture in pictures]}
        return prompt

    def _written(self, chat: list[Message], arguments: dict[str, Any]) -> str:
        return str(self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **arguments))


def _name(job: _Job) -> str:
    # A request that was just aborted may still be known by its name.
    return f"{job.request.id}-{id(job):x}"


def _content(content: str | list[Message], pictures: list[NDArray[np.uint8]]) -> str | list[Message]:
    """Give a message's content as templates take it; what it has of pictures is added to `pictures`."""
    if isinstance(content, str):
        return content
    if all(part["type"] == "text" for part in content):
        # Templates of models without a camera's eye know texts only.
        return "\n".join(part["text"] for part in content)
    pictures += [part[PICTURE] for part in content if part["type"] == PICTURE]
    return [{"type": "image"} if part["type"] == PICTURE else part for part in content]


def _sampling(request: Request) -> Any:
    """Write a request's settings as vLLM's server does of the fields in `egm_core.servers.vllm`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling = request.sampling
    held = None
    if request.regex is not None:
        held = StructuredOutputsParams(regex=request.regex)
    elif request.json_schema is not None:
        held = StructuredOutputsParams(json=request.json_schema)
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k or -1,
        repetition_penalty=sampling.repetition_penalty,
        seed=sampling.seed,
        # Of the token that was drawn alone.
        logprobs=0 if request.logprobs else None,
        skip_special_tokens=False,
        structured_outputs=held,
        output_kind=RequestOutputKind.DELTA,
    )


def _event(output: Any, logprobs: bool, made: int) -> dict[str, Any]:
    """Write a piece of an answer as vLLM's server does; `made` is the number of its tokens until now."""
    piece = output.outputs[0]
    choice: dict[str, Any] = {"index": 0, "delta": {"content": piece.text}, "finish_reason": piece.finish_reason}
    if logprobs and piece.logprobs:
        entries = [
            {"token": tokens[i].decoded_token, "logprob": tokens[i].logprob}
            for i, tokens in zip(piece.token_ids, piece.logprobs, strict=True)
        ]
        choice["logprobs"] = {"content": entries}
    counted = {"prompt_tokens": len(output.prompt_token_ids or ()), "completion_tokens": made}
    return {"choices": [choice], **({"usage": counted} if piece.finish_reason else {})}
