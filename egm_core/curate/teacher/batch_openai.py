"""OpenAI's batch files: JSONL of requests to /v1/chat/completions, 50,000 and 200 MB a file, one model each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.curate.teacher.batch_rows import Vendor, counts, told_error, with_pictures
from egm_core.curate.teacher.forms import portable
from egm_core.engines.base import EngineError
from egm_core.engines.http.sse import Reader, error_message, excerpt

URL = "/v1/chat/completions"
# These draw at a temperature of their own, and refuse any other.
OWN_TEMPERATURE = re.compile(r"^(gpt-5|o[134])")


def row(job: Job, model: str, read: ReadPicture) -> dict[str, Any]:
    """Write a request."""
    messages = [with_pictures(message, read, _picture) for message in job.messages]
    body: dict[str, Any] = {"model": model, "messages": messages, "max_completion_tokens": job.sampling.max_tokens}
    if not OWN_TEMPERATURE.search(model):
        body |= {"temperature": job.sampling.temperature, "top_p": job.sampling.top_p}
        if job.sampling.seed is not None:
            body["seed"] = job.sampling.seed
    if job.schema is not None:
        form = {"name": "answer", "schema": portable(job.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return {"custom_id": job.key, "method": "POST", "url": URL, "body": body}


def _picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def joined(rows: Iterable[bytes]) -> bytes:
    """Write rows as a file."""
    return b"".join(row + b"\n" for row in rows)


def knows(told: Any) -> bool:
    """Tell whether a row is a result of OpenAI's."""
    return isinstance(told, dict) and "custom_id" in told and "response" in told


def read(told: Any) -> Answer:
    """Read a result; one without an answer becomes a failure that says why."""
    response, error = told["response"], told.get("error")
    if error:
        return Answer("", error=f"batch: {told_error(error, 'code')}")
    if response is None:
        return Answer("", error="batch: neither an answer nor an error")
    if not isinstance(response, dict):
        return Answer("", error=f"batch: its response is no object of JSON: {excerpt(str(response))}")
    body = response.get("body") or {}
    if response.get("status_code") != 200:
        return Answer("", error=f"batch: HTTP {response.get('status_code')}: {error_message(json.dumps(body))}")
    if not isinstance(body, dict):
        return Answer("", error=f"batch: the body of its answer is no object of JSON: {excerpt(str(body))}")
    usage = counts(body)
    try:
        reader = Reader()
        chunk = reader.event(body, "message")
    except EngineError as trouble:
        made = "no chat answer: " if trouble.reason == "engine_request" else ""
        return Answer("", error=f"batch: {made}{trouble}", usage=usage)
    text, finish = (chunk.text, chunk.finish) if chunk is not None else ("", "stop")
    model = str(body.get("model") or "")
    return Answer("", text, finish or "stop", usage=usage, model=model, calls=reader.called)


VENDOR = Vendor(
    "OpenAI",
    50_000,
    200_000_000,
    ".jsonl",
    0,
    "upload each file with purpose batch and create a batch for /v1/chat/completions with completion_window 24h; its "
    "output file and its error file are the results",
    row,
    joined,
    knows,
    read,
)
