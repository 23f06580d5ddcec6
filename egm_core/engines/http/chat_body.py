"""The body of a chat request with one picture, as an OpenAI-compatible server takes it."""

from __future__ import annotations

from typing import Any

from egm_core.engines.base import Request
from egm_core.engines.http.limits import Limit
from egm_core.engines.pictures import PictureFormat, shared_data_url
from egm_core.servers.dialect import Dialect


class Unsendable(Exception):
    """A request that cannot be written; no server is to blame."""


def chat_body(
    request: Request, model: str | None, limit: Limit, form: PictureFormat, dialect: Dialect | None
) -> dict[str, Any]:
    """Write a request whose answer is limited by the field `limit`, or not at all where that is empty.

    Raises Unsendable where the picture cannot be written, or such a server cannot be asked so.
    """
    try:
        url = shared_data_url(request.image, form)
    except ValueError as error:
        raise Unsendable(str(error)) from error
    image = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": request.prompt}]}]
    counts = {"stream_options": {"include_usage": True}} if request.counts else {}
    return {"messages": messages, "stream": True, **counts, **settings_of(request, model, limit, dialect)}


def settings_of(request: Request, model: str | None, limit: Limit, dialect: Dialect | None) -> dict[str, Any]:
    """Write all of a request but its messages; its picture and prompt do not matter.

    A server has its adapters in its list of models, and is asked for one as for a model.
    Raises Unsendable where such a server cannot be asked so.
    """
    refused = dialect.refusal(request) if dialect else ""
    if refused:
        raise Unsendable(refused)
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.adapter or model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if limit:
        body[limit] = sampling.max_tokens
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if request.logprobs:
        body["logprobs"] = True
    return body | (dialect.extra(request) if dialect else {})
