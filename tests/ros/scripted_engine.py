"""An OpenAI-compatible server whose answers are scripted: the engine of the node's tests, a process of its own.

    python tests/ros/scripted_engine.py --port 8000 [--model NAME] [--start-delay S] [--mode MODE]

POST /script with {"mode": "absent", "delay": 0.5, ...} changes what it does from then on, GET /stats tells what it
did.  The box that it answers follows from the instruction alone (`box_of`), so a test can tell whose box it got.
Where `serial` is set, one request is worked at a time, as by an engine without batches.
Where `models` lists names, it has these models, refuses to be asked of others, and notes what each was asked.
Where `thought_delay` is set, a request with a grammar is answered at once and without a thought; any other is thought
about for so many seconds, and its box lies elsewhere.
Instructions in `absent_of` are answered as absent, and those in `delay_of` take so many seconds more.
Asked for every object it lists `several` boxes (`boxes_of`), the amodal ones in the other order.
In the modes oom and oom_die only pictures of up to `fits` pixels are answered.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import math
import os
import re
import select
import signal
import socket
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

MODES = (
    "found",
    "absent",
    "garbage",
    "degenerate",
    "disagrees",
    "small_amodal",
    "error500",
    "amodal500",
    "cut",
    "silent",
    "die",
    "empty",
    "late",
    "twice",
    "oom",
    "oom_die",
)
NO_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 1.99 GiB free)"


def box_of(instruction: str, amodal: bool = False) -> list[int]:
    """Give the box (0 to 1000) that the server answers for an instruction."""
    number = zlib.crc32(instruction.encode())
    x, y = number % 600, (number // 600) % 600
    return [x, y, x + 100, y + (300 if amodal else 100)]


def boxes_of(count: int, amodal: bool = False) -> list[list[int]]:
    """Give the boxes (0 to 1000) that the server lists where it is asked for every object."""
    boxes = [[50 + 150 * place, 200, 150 + 150 * place, 500 if amodal else 300] for place in range(count)]
    return boxes[::-1] if amodal else boxes


def asked_for(prompt: str) -> tuple[str, bool, bool]:
    """Read a prompt: the instruction, whether the amodal box is meant, and whether every object is."""
    match = re.search(r"Locate (.*?)( amodally)?, output", prompt)
    every = re.search(r'description "(.*)" in the image( amodally)?', prompt)
    found = match or every
    return (found[1], bool(found[2]), every is not None) if found else (prompt, False, False)


class Script:
    """What the server does now, and what it did."""

    def __init__(self, model: str, start_delay: float, mode: str = "found") -> None:
        self.ready_at = time.monotonic() + start_delay
        self.settings = {"mode": mode, "delay": 0.0, "logprob": math.log(0.9), "fits": 0, "serial": False}
        self.settings["model"] = model
        self.settings["models"] = []
        self.settings["thought_delay"] = None
        self.settings |= {"absent_of": [], "delay_of": {}, "several": 2}
        self.asked_of: dict[str, list[str]] = {}
        self.stats = {"asked": 0, "answered": 0, "aborted": 0, "running": 0}
        self.last: dict[str, object] = {}
        self.lock = threading.Lock()
        self.turn = threading.Lock()

    def count(self, **changes: int) -> None:
        with self.lock:
            for name, change in changes.items():
                self.stats[name] += change

    def answer(self, prompt: str, thinking: bool = True) -> str:
        """Write the raw text for a prompt, in Qwen3-VL's format."""
        mode = self.settings["mode"]
        instruction, amodal, every = asked_for(prompt)
        box = box_of(instruction, amodal)
        if self.settings["thought_delay"] is not None:
            box = box_of(f"{instruction}, after thinking" if thinking else instruction, amodal)
        if mode == "garbage":
            return "I would rather talk about the weather."
        if mode == "degenerate":
            box[2] = box[0]
        if mode == "small_amodal" and amodal:
            box = [box[0] + 50, box[1], box[2], box[3]]
        if mode == "absent" or instruction in self.settings["absent_of"] or (mode == "disagrees" and amodal):
            return "There is none.\n</think>\n\n```json\n[]\n```"
        boxes = boxes_of(self.settings["several"], amodal) if every else [box]
        entries = [f'\n\t{{"bbox_2d": {json.dumps(one)}, "label": {json.dumps(instruction)}}}' for one in boxes]
        rows = f"[{','.join(entries)}\n]"
        if not thinking:
            return f"</think>\n\n```json\n{rows}\n```"
        return f"It is there.\n</think>\n\n```json\n{rows}\n```"


def seen(body: dict) -> dict[str, object]:
    """Note what a request asks for: the size of its picture, and whether it comes with a grammar."""
    url = next(part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        width, height = picture.size
    grammar = any(key in body for key in ("structured_outputs", "response_format", "guided_regex"))
    texts = [part["text"] for part in body["messages"][-1]["content"] if part["type"] == "text"]
    form = url.partition(";")[0]
    return {"width": width, "height": height, "grammar": grammar, "format": form, "prompt": "".join(texts)}


class Handler(BaseHTTPRequestHandler):
    """Serves the chat API, /health, /v1/models and the two pages of the script."""

    script: Script

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply({"status": "ok"}, 200 if time.monotonic() >= self.script.ready_at else 503)
        elif self.path == "/v1/models":
            names = self.script.settings["models"] or [self.script.settings["model"]]
            self.reply({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
        elif self.path == "/stats":
            self.reply(self.script.stats | self.script.last | {"asked_of": self.script.asked_of})
        else:
            self.reply({"error": {"message": f"no such page: {self.path}"}}, 404)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        if len(text) < int(self.headers["Content-Length"]):
            # Who asked has hung up in the middle, as when the instruction changes.
            self.close_connection = True
            return
        body = json.loads(text)
        if self.path == "/script":
            self.script.settings.update(body)
            self.reply(self.script.settings)
        elif self.path == "/v1/chat/completions":
            self.script.count(asked=1, running=1)
            try:
                self.chat(body)
                self.script.count(answered=1)
            except OSError:
                self.script.count(aborted=1)
            finally:
                self.script.count(running=-1)
        else:
            self.reply({"error": {"message": f"no such page: {self.path}"}}, 404)

    def reply(self, content: object, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chat(self, body: dict) -> None:
        settings = self.script.settings
        if settings["mode"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if settings["models"] and body["model"] not in settings["models"]:
            self.reply({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
            return
        noted = self.script.last = seen(body)
        with self.script.lock:
            self.script.asked_of.setdefault(body["model"], []).append(str(self.script.last["prompt"]))
        size = self.script.last["width"] * self.script.last["height"]
        if settings["mode"].startswith("oom") and size > settings["fits"]:
            if settings["mode"] == "oom_die":
                print(f"torch.OutOfMemoryError: {NO_MEMORY}", flush=True)
                os._exit(1)
            self.reply({"error": {"message": f"OutOfMemoryError: {NO_MEMORY}"}}, 500)
            return
        self.work(settings["delay_of"].get(asked_for(str(noted["prompt"]))[0], 0.0))
        thinking = settings["thought_delay"] is None or not self.script.last["grammar"]
        if settings["thought_delay"] is not None and thinking:
            self.work(settings["thought_delay"])
        elif settings["mode"] == "late":
            time.sleep(settings["delay"])
        elif settings["serial"]:
            with self.script.turn:
                self.work(settings["delay"])
        else:
            self.work(settings["delay"])
        if settings["mode"] == "silent":
            self.work(3600.0)
        amodal = " amodally" in str(noted["prompt"])
        if settings["mode"] == "error500" or (settings["mode"] == "amodal500" and amodal):
            self.reply({"error": {"message": "scripted failure"}}, 500)
            return
        content = body["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
        text = self.script.answer(prompt, thinking)
        tokens = re.findall(r"\d|\D+", text)
        name = self.script.settings["model"]
        common = {"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": name}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "logprobs": self.logprobs(tokens), "finish_reason": "stop"}
            self.reply({**common, "object": "chat.completion", "choices": [choice]})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if settings["mode"] == "empty":
            return
        for _ in range(2 if settings["mode"] == "twice" else 1):
            for token in tokens[: len(tokens) // 2] if settings["mode"] == "cut" else tokens:
                self.event(common, {"content": token}, self.logprobs([token]), None)
            if settings["mode"] != "cut":
                self.event(common, {}, None, "stop")
                self.wfile.write(b"data: [DONE]\n\n")

    def logprobs(self, tokens: list[str]) -> dict | None:
        logprob = self.script.settings["logprob"]
        if logprob is None:
            return None
        return {
            "content": [
                {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
                for token in tokens
            ]
        }

    def event(self, common: dict, delta: dict, logprobs: dict | None, finish: str | None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        self.wfile.write(b"data: " + json.dumps({**common, "choices": [choice]}).encode() + b"\n\n")

    def work(self, seconds: float) -> None:
        """Pass the time; raise OSError when the client hangs up."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0:
            if select.select([self.connection], [], [], min(left, 0.2))[0] and not self.connection.recv(
                1, socket.MSG_PEEK
            ):
                raise ConnectionResetError("the client hung up")


class Server(ThreadingHTTPServer):
    """Lets clients hang up at any moment without a word about it."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="scripted-qwen")
    parser.add_argument("--start-delay", type=float, default=0.0)
    parser.add_argument("--mode", default="found", choices=MODES)
    options = parser.parse_args()
    Handler.script = Script(options.model, options.start_delay, options.mode)
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
