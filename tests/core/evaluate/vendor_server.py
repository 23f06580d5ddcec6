"""Servers that answer as the vendors' do: each finds a red rectangle in the picture that it gets, over real HTTP.

It knows no truth but the pixels that arrive, and writes their box in its own frame; so a picture that is resized, or a
frame that is read wrongly, shows in the score. `Vendor.refuses` are request fields that it takes no part with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from scripted_http import JsonHandler, LocalServer, running_server

# x0, y0, x1, y1 in pixels of the picture as it arrived, then its width and height.
Write = Callable[[tuple[int, int, int, int], int, int], str]


def thousandths(v: int, end: int) -> int:
    return round(1000 * v / end)


def gemini(box: tuple[int, int, int, int], w: int, h: int) -> str:
    x0, x1 = (thousandths(v, w) for v in (box[0], box[2]))
    y0, y1 = (thousandths(v, h) for v in (box[1], box[3]))
    return f'```json\n[\n  {{"box_2d": [{y0}, {x0}, {y1}, {x1}], "label": "red"}}\n]\n```'


def pixels(key: str) -> Write:
    return lambda box, w, h: json.dumps([{key: list(box), "label": "red"}])


def keyed(box: tuple[int, int, int, int], w: int, h: int) -> str:
    return json.dumps({"detections": [{"label": "red", "box_2d": list(box)}]})


def shares(box: tuple[int, int, int, int], w: int, h: int) -> str:
    names, ends = ("x_min", "y_min", "x_max", "y_max"), (w, h, w, h)
    return json.dumps(
        {"detections": [{n: round(v / e, 3) for n, v, e in zip(names, box, ends, strict=True)} | {"class_name": "red"}]}
    )


def percent(box: tuple[int, int, int, int], w: int, h: int) -> str:
    return json.dumps([{"box_2d": [round(100 * v / e, 1) for v, e in zip(box, (w, h, w, h), strict=True)]}])


def relative(box: tuple[int, int, int, int], w: int, h: int) -> str:
    numbers = [thousandths(v, e) for v, e in zip(box, (w, h, w, h), strict=True)]
    return "```json\n[\n\t" + json.dumps({"bbox_2d": numbers, "label": "red"}) + "\n]\n```"


def tagged(box: tuple[int, int, int, int], w: int, h: int) -> str:
    numbers = [thousandths(v, e) for v, e in zip(box, (w, h, w, h), strict=True)]
    return f"<ref>red</ref><box>[{numbers}]</box>"


@dataclass
class Vendor:
    """How one vendor's server behaves, and what it was sent; `root` is the path of its API."""

    model: str
    write: Write
    root: str = "/v1"
    refuses: tuple[str, ...] = ()
    absent: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def answer(self, body: dict[str, Any]) -> str:
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        self.sizes.append((image.shape[1], image.shape[0]))
        ys, xs = np.nonzero((image[..., 2] > 128) & (image[..., 0] < 128))
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        return self.absent or self.write(box, image.shape[1], image.shape[0])


VENDORS = {
    "gemini": Vendor("gemini-3-pro", gemini, "/v1beta/openai", ("logprobs",)),
    "claude": Vendor("claude-sonnet-4-5", pixels("bbox"), refuses=("top_p",)),
    "claude_high": Vendor("claude-opus-4-7", pixels("bbox"), refuses=("temperature", "top_p")),
    "gpt_4": Vendor("gpt-4.1", pixels("box_2d")),
    "gpt_5": Vendor("gpt-5-mini", shares, refuses=("max_tokens", "temperature", "top_p", "logprobs")),
    "gpt_5_2": Vendor("gpt-5.2", keyed, refuses=("max_tokens",)),
    "grok": Vendor("grok-4", percent),
    "glm": Vendor("glm-5v-turbo", relative, "/api/paas/v4"),
    "qwen2_5_vl": Vendor("Qwen2.5-VL-7B-Instruct", pixels("bbox_2d")),
    "qwen3_vl_official": Vendor("served-qwen", relative),
    "internvl3_5": Vendor("served-internvl", tagged),
}


class Handler(JsonHandler):
    server: Server

    def do_GET(self) -> None:
        vendor = self.server.vendor
        if self.path == f"{vendor.root}/models":
            self.reply(200, {"data": [{"id": vendor.model, "object": "model"}, {"id": "another", "object": "model"}]})
        else:
            self.reply(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        vendor = self.server.vendor
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != f"{vendor.root}/chat/completions":
            self.reply(404, {"error": {"message": "no such page"}})
            return
        for name in vendor.refuses:
            if name in body:
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                self.reply(400, {"error": {"message": message, "param": name, "code": "unsupported_parameter"}})
                return
        vendor.bodies.append(body)
        message = {"role": "assistant", "content": vendor.answer(body)}
        self.reply(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


class Server(LocalServer):
    def __init__(self, vendor: Vendor) -> None:
        super().__init__(Handler)
        self.vendor = vendor

    @property
    def url(self) -> str:
        return super().url + self.vendor.root


@contextmanager
def serving(vendor: Vendor) -> Iterator[Server]:
    """Run a vendor's server in a thread."""
    with running_server(Server(vendor)) as server:
        yield server
