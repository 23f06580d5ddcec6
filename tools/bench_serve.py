#!/usr/bin/env python3
"""How long /health of `egm_core.serve` takes while clients misbehave: the longest of the polls beside each attack.

    tools/env.sh python tools/bench_serve.py

Starts the server with the embedded model as a process of its own. No poll should take more than 0.5 s.
"""

from __future__ import annotations

import base64
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import httpx
import numpy as np

AT_ONCE = 4
EVERY = 0.02


def url_of(data: bytes) -> str:
    """Write a picture's bytes as a data URL."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def chat(url: str, text: str = "Locate the red mug", **fields: Any) -> dict[str, Any]:
    """Make the body of a request."""
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 40, **fields}


def attacks() -> dict[str, Callable[[httpx.Client], httpx.Response]]:
    """List the attacks by name; each sends one request."""
    rng = np.random.default_rng(0)
    small = url_of(cv2.imencode(".png", rng.integers(0, 256, (96, 128, 3), np.uint8))[1].tobytes())
    large = url_of(cv2.imencode(".png", np.zeros((8000, 9000, 3), np.uint8))[1].tobytes())
    head = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(90_001 * 300), 1)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    bomb += struct.pack(">I", len(rows)) + b"IDAT" + rows + struct.pack(">I", zlib.crc32(b"IDAT" + rows))
    messages = b'{"messages": [' + b'{"role": "user", "content": "x"},' * 900_000 + b"{}]}"
    path = "/v1/chat/completions"

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000_000

    return {
        "nothing": lambda client: client.get("/health"),
        "30000 x 30000 PNG": lambda client: client.post(path, json=chat(url_of(bomb))),
        "72 megapixels": lambda client: client.post(path, json=chat(large)),
        "30 MB of messages": lambda client: client.post(path, content=messages),
        "30 MB of text": lambda client: client.post(path, json=chat(small, "mug " * 7_500_000)),
        "100 MB in pieces": lambda client: client.post(path, content=endless()),
        "30,000 words": lambda client: client.post(path, json=chat(small, "mug " * 30_000)),
        "long answers": lambda client: client.post(
            path, json=chat(small, max_tokens=400) | {"structured_outputs": {"regex": "[a-z]{2000}"}}
        ),
        "a heavy grammar": lambda client: client.post(
            path, json=chat(small) | {"structured_outputs": {"regex": "((a{1,99}b?){1,99}c?){1,99}"}}
        ),
    }


def main() -> None:
    """Run every attack and print the longest poll beside it."""
    command = [sys.executable, "-m", "egm_core.serve", "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the server did not start"
            with httpx.Client(base_url=found[0], timeout=120) as client:
                while client.get("/health").status_code != 200:
                    time.sleep(0.2)
                for name, attack in attacks().items():
                    print(f"{name:<20} {measured(client, attack)}", flush=True)
        finally:
            server.terminate()


def measured(client: httpx.Client, attack: Callable[[httpx.Client], httpx.Response]) -> str:
    """Attack from several clients at once, and poll all the while."""
    statuses: list[str] = []

    def run() -> None:
        try:
            statuses.append(str(attack(client).status_code))
        except httpx.HTTPError as error:
            statuses.append(type(error).__name__)

    threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
    polls: list[float] = []
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    # A poll from this process would wait for this process's own work: curl tells what the server takes.
    while any(thread.is_alive() for thread in threads) or len(polls) < 5:
        told = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{time_total}", f"{client.base_url}/health"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        polls.append(float(told.stdout))
        time.sleep(EVERY)
    took = time.perf_counter() - began
    return f"longest poll {max(polls):6.3f} s of {len(polls):3}, over after {took:5.1f} s: {' '.join(sorted(statuses))}"


if __name__ == "__main__":
    main()
