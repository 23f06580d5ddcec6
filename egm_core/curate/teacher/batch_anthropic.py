"""Anthropic's batches: one JSON body of requests, 100,000 and 256 MB each; results are JSONL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.curate.teacher.batch_rows import Vendor, counts, told_error, with_pictures
from egm_core.engines.http.sse import excerpt

BEFORE, AFTER = b'{"requests":[\n', b"\n]}\n"
FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


def row(job: Job, model: str, read: ReadPicture) -> dict[str, Any]:
    """Write a request; its form is asked for by the prompt's words alone, and checked afterwards."""
    messages = [with_pictures(message, read, _picture) for message in job.messages]
    params: dict[str, Any] = {"model": model, "max_tokens": job.sampling.max_tokens}
    params["temperature"] = min(1.0, job.sampling.temperature)
    system = [message["content"] for message in messages if message["role"] == "system"]
    if system:
        params["system"] = "\n\n".join(map(str, system))
    params["messages"] = [message for message in messages if message["role"] != "system"]
    return {"custom_id": job.key, "params": params}


def _picture(url: str) -> dict[str, Any]:
    head, _, data = url.partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def joined(rows: Iterable[bytes]) -> bytes:
    """Write rows as the body that creates a batch."""
    return BEFORE + b",\n".join(rows) + AFTER


def knows(told: Any) -> bool:
    """Tell whether a row is a result of Anthropic's."""
    return isinstance(told, dict) and "custom_id" in told and isinstance(told.get("result"), dict)


def read(told: Any) -> Answer:
    """Read a result; one without an answer becomes a failure that says why."""
    result = told["result"]
    kind = result.get("type")
    if kind != "succeeded":
        error = result.get("error") or {}
        error = error.get("error", error) if isinstance(error, dict) else error
        why = f": {told_error(error, 'type')}" if error else ""
        return Answer("", error=f"batch: {kind}{why}")
    message = result.get("message")
    if not isinstance(message, dict):
        return Answer("", error=f"batch: its message is no object of JSON: {excerpt(str(message))}")
    reason, usage = message.get("stop_reason"), counts(message)
    try:
        text = "".join(part["text"] for part in message["content"] if part["type"] == "text")
    except (KeyError, TypeError):
        return Answer("", error=f"batch: no chat answer: {excerpt(str(message))}", usage=usage)
    if reason not in FINISH:
        why = f"batch: no chat answer: it ended with {reason!r}"
        return Answer("", error=why, usage=usage, model=message.get("model", ""))
    return Answer("", text, FINISH[reason], usage=usage, model=message.get("model", ""))


VENDOR = Vendor(
    "Anthropic",
    100_000,
    256_000_000,
    ".json",
    len(BEFORE) + len(AFTER),
    "POST each file as the body of /v1/messages/batches; the lines of its results_url are the results",
    row,
    joined,
    knows,
    read,
)
