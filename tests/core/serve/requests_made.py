"""Requests to a server, as its tests make them."""

from __future__ import annotations

from typing import Any

import httpx
from checkpoints import FOUND

from egm_core.families import family

PROMPT = family("qwen3_vl").prompt(FOUND, "visible")


def body(data_url: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": data_url}}, {"type": "text", "text": PROMPT}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 64, **fields}


def post(url: str, json_body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/chat/completions", json=json_body, timeout=60)
