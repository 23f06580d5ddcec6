"""Reads what a client sends without letting it hold up others: bodies are capped, headers come before pixels.

Bodies are parsed by one thread and pictures decoded by another, each one at a time, so that neither the server's
memory nor its answers on /health depend on how many come together.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from egm_core.engines.http.patience import Patience
from egm_core.serve.protocol import ChatRequest, Refusal, refuse

Fit = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
LARGEST_BODY = 32_000_000
MOST_VALUES = 50_000
LARGEST_IMAGE = 80_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
BODY_SECONDS = 30.0
# What other servers log of a client that hung up.
GONE = 499


async def read_body(http: Request, largest: int = LARGEST_BODY, seconds: float = BODY_SECONDS) -> bytes:
    """Read a request's body, whether its length is told ahead or not; Refusal if it is too long, too slow or cut off.

    A client that still sends would not see the answer, so a little of what is too much is taken and thrown away.
    """
    told = http.headers.get("content-length", "")
    over = told.isdecimal() and int(told) > largest
    body = bytearray()
    seen = 0
    try:
        async with Patience(seconds):
            async for piece in http.stream():
                seen += len(piece)
                over = over or seen > largest
                if over:
                    body.clear()
                    if seen > 2 * largest:
                        break
                else:
                    body += piece
    except TimeoutError as error:
        raise Refusal(408, "invalid_request_error", f"the body did not come within {seconds:g} s") from error
    except ClientDisconnect as error:
        # Nobody hears it: a client that aborts a query is no failure of the server.
        raise Refusal(GONE, "invalid_request_error", "the client hung up before its body had come") from error
    if over:
        text = f"the body is over {largest} bytes; send a smaller picture, or a JPEG"
        raise Refusal(413, "invalid_request_error", text)
    return bytes(body)


class Reading:
    """The two threads that read requests."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._parsing = ThreadPoolExecutor(1, "serve-parsing")
        self._decoding = ThreadPoolExecutor(1, "serve-decoding")

    async def chat(self, body: bytes) -> ChatRequest:
        """Read a body as a chat request; Refusal names the first thing that is wrong with it."""
        return await asyncio.get_running_loop().run_in_executor(self._parsing, parse, body)

    async def picture(self, url: str) -> NDArray[np.uint8]:
        """Decode the picture of a data URL to (H, W, 3) RGB within the model's budget; Refusal where it is none."""

        def decoded() -> NDArray[np.uint8]:
            return self._fit(read_data_url(url))

        return await asyncio.get_running_loop().run_in_executor(self._decoding, decoded)

    def close(self) -> None:
        """End the threads."""
        for pool in (self._parsing, self._decoding):
            pool.shutdown(wait=False, cancel_futures=True)


def parse(body: bytes) -> ChatRequest:
    """Read a body as a chat request; Refusal names the first thing that is wrong with it."""
    # Making a million values holds the interpreter for seconds, in any thread; base64 has none of these characters.
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise refuse(f"the body holds more than {MOST_VALUES} values; send one message with one picture and a text")
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise refuse(f"{where or 'the body'}: {first['msg']}"[:500]) from None


def read_data_url(url: str) -> NDArray[np.uint8]:
    """Decode a `data:image/...;base64,` URL to (H, W, 3) RGB; Refusal where it is none."""
    if not url.startswith("data:"):
        raise refuse("this server fetches nothing; send the image itself as a data URL (data:image/png;base64,...)")
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise refuse(f"{head[:60]!r} is not an image's data URL; write data:image/png;base64,...")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse(f"the image's base64 is broken: {error}") from error
    _check_header(raw)
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise refuse(f"the image cannot be decoded: {error}") from error
    if image is None:
        raise refuse("the image cannot be decoded; send a PNG or JPEG")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _check_header(raw: bytes) -> None:
    """Refuse by its header a picture that is too large, before a pixel of it is decoded."""
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
            width, height = picture.size
    except Image.DecompressionBombError as error:
        raise refuse(f"the image is too large: {error}") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise refuse(f"the image cannot be decoded; send a PNG or JPEG ({type(error).__name__})") from error
    if width * height > LARGEST_IMAGE:
        most = LARGEST_IMAGE // 1_000_000
        raise refuse(f"the image is {width} x {height}; send one of less than {most} megapixels")
