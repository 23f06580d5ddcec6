"""Runs TensorRT Edge-LLM's own server around a scripted model: its HTTP layer, request models, queue and streams.

    EDGELLM_PYTHON scripted_runtime.py PORT FOLDER

Only the native runtime is scripted, which needs a GPU: it takes a request's fields, and pushes tokens with their
probabilities. What an answer is like follows from a word of the prompt. The last requests are kept in FOLDER as JSON
lines, as the native runtime would have got them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from types import SimpleNamespace
from typing import Any

import uvicorn
from experimental.server.api import app
from experimental.server.config import ApiConfig
from experimental.server.runtime import engine
from experimental.server.runtime.engine_client import EngineClient

MODEL = "EGM-4B"
PIECES = ("{", '"bbox_2d"', ": [", "100, ", "200, ", "300, ", "400", "]}")


class Fields(SimpleNamespace):
    """An object of the native module: whatever it is given."""

    def __init__(self, *positional: Any, **fields: Any) -> None:
        super().__init__(positional=positional, **fields)


class Channel:
    """The native stream of one request's tokens."""

    def __init__(self) -> None:
        self.chunks: Queue[Any] = Queue()
        self.over = False
        self.given_up = False

    @classmethod
    def create(cls) -> Channel:
        return cls()

    def set_skip_special_tokens(self, skip: bool) -> None:
        self.skip = skip

    def wait_pop(self, timeout_ms: int) -> Any:
        try:
            return self.chunks.get(timeout=timeout_ms / 1000)
        except Empty:
            return None

    def is_finished(self) -> bool:
        return self.over and self.chunks.empty()

    def is_cancelled(self) -> bool:
        return self.given_up

    def cancel(self) -> None:
        self.given_up = True


class Names:
    """An enumeration of the native module, whose values are their names."""

    def __getattr__(self, name: str) -> str:
        return name


class Runtime:
    """The native module, as far as a chat with one picture needs it."""

    StreamChannel = Channel

    def __getattr__(self, name: str) -> Any:
        return Names() if name.endswith(("Reason", "Type", "Mode", "Policy")) else Fields

    @staticmethod
    def validate_guided_decoding_params(params: Any) -> tuple[bool, str]:
        kind, guide = params.positional
        return (False, "the schema is not JSON") if kind == "JSON_SCHEMA" and not json.loads(guide) else (True, "")


class ScriptedLLM(engine.LLM):  # type: ignore[misc]
    """Edge-LLM's own model class, without the native parts."""

    def __init__(self, folder: Path) -> None:
        self._rt = Runtime()
        self._engine = None
        self._closed = False
        self._folder = folder
        self._log = threading.Lock()

    model_dir = property(lambda self: str(self._folder))
    bundle_dir = property(lambda self: str(self._folder))
    model_id = property(lambda self: MODEL)
    has_draft_model = property(lambda self: False)
    video_capable = property(lambda self: False)
    context_cache_enabled = property(lambda self: False)
    bundle_layout = property(
        lambda self: SimpleNamespace(visual_dir="visual", audio_dir="", has_speech=False, has_transcription=False)
    )

    def _ensure_open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _prepare_messages_for_runtime(self, messages: list[dict[str, Any]]) -> tuple[Any, Any]:
        kinds = [part["type"] for message in messages for part in message["content"]]
        text = [part["text"] for message in messages for part in message["content"] if part["type"] == "text"]
        return (" ".join(text), kinds), ["an image"] * kinds.count("image_url")

    def _handle_request(self, request: Any) -> None:
        """Play the script that the prompt names."""
        prompt, kinds = request.requests[0].messages
        guide = getattr(request.requests[0], "guided_decoding", None)
        told = {name: value for name, value in vars(request).items() if isinstance(value, int | float | str)}
        with self._log, (self._folder / "requests.jsonl").open("a") as file:
            guided = [str(part) for part in guide.positional] if guide is not None else None
            file.write(json.dumps(told | {"prompt": prompt, "kinds": kinds, "guided": guided}) + "\n")
        channel = request.stream_channels[0]
        pieces = [f"<think>it is the {prompt[-8:]}</think>", *PIECES] if request.enable_thinking else list(PIECES)
        for number, piece in enumerate(pieces):
            if channel.given_up:
                return
            if "slow" in prompt:
                time.sleep(0.2)
            last = number == len(pieces) - 1
            end = "LENGTH" if "long" in prompt else "CANCELLED" if "cancelled" in prompt else "END_ID"
            if "broken" in prompt and number == 2:
                last, end = True, "ERROR"
            if "vanishing" in prompt and number == 3:
                # As the native runtime does when a request is taken from its batch: no last piece.
                channel.over = True
                return
            channel.chunks.put(Fields(
                text=piece, token_ids=[number], finished=last, reason=end if last else "NOT_FINISHED",
                prompt_token_count=7, logprobs=self._steps(request, prompt, number, piece),
            ))  # fmt: skip
            if last:
                break
        channel.over = True

    @staticmethod
    def _steps(request: Any, prompt: str, number: int, piece: str) -> list[list[Any]]:
        """Give the likeliest tokens, of which the chosen one is the third where the prompt says unlikely."""
        if not request.num_logprobs:
            return []
        place = 2 if "unlikely" in prompt and number == 3 else 70 if "never" in prompt and number == 3 else 0
        others = [Fields(token_id=1000 + other, logprob=-0.1 * (other + 1), piece=b"x") for other in range(60)]
        ranked = [*others[:place], Fields(token_id=number, logprob=-0.25, piece=piece.encode()), *others[place:]]
        return [ranked[: request.num_logprobs]]


def main() -> None:
    """Serve until the process ends."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    engine._import_runtime = lambda: Runtime()
    # As the node starts it: with thoughts left in the text.
    config = ApiConfig(host="127.0.0.1", port=port, served_model_name=MODEL, reasoning_parser=sys.argv[3])
    uvicorn.run(
        app.create_app(EngineClient(ScriptedLLM(folder), config), config),
        host="127.0.0.1", port=port, log_level="warning",
    )  # fmt: skip


if __name__ == "__main__":
    main()
