"""A teacher over real HTTP that knows the scene of `set_files`, and makes the mistakes that a test plants."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scripted_http import JsonHandler, LocalServer, running_server

MODEL = "teacher-1"
FAULTS = ("speaks_of_drawing", "holds_measures", "other_object", "wrong_place", "unfinished_or_foreign")
# What a teacher sees of each thing: a phrase for it, how it goes on, what hides it, and on which side.
KNOWS = {
    "mug": ("red mug in the middle", "right", ["box"]),
    "cup": ("small cup in the upper corner", "bottom", []),
    "car": ("car at the left", "right", []),
}


class Teacher(LocalServer):
    """The server: what it was asked, by kind, and its planted mistakes: a text for each kind and thing."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.name = MODEL
        self.asked: Counter[str] = Counter()
        self.mistakes: dict[tuple[str, str], str] = {}
        self.pictures: list[int] = []
        self.texts: list[str] = []
        self.fails_after: int | None = None
        self.seconds = 0.0
        self.lock = threading.Lock()

    def answer(self, body: dict[str, Any]) -> str:
        parts = body["messages"][0]["content"]
        text = next(part["text"] for part in parts if part["type"] == "text")
        asked = json.dumps(body["response_format"])
        signs = {"judge": "speaks_of_drawing", "verify": "unique", "express": "expression", "reason": ""}
        kind = next(name for name, sign in signs.items() if sign in asked)
        quoted = re.search(r"It is a ([a-z]+)", text) if kind == "express" else None
        # A judge is told of the other objects, too.
        meant = text.partition("The phrase that means the object:")[2].partition("\n")[0] or text
        thing = quoted[1] if quoted else next(name for name in KNOWS if re.search(rf"\b{name}\b", meant))
        with self.lock:
            self.asked[kind] += 1
            self.texts.append(text)
            self.pictures.append(sum(part["type"] == "image_url" for part in parts))
        phrase, side, occluders = KNOWS[thing]
        if (kind, thing) in self.mistakes:
            return self.mistakes[kind, thing]
        if kind == "express":
            return json.dumps({"expression": phrase, "object": thing})
        if kind == "verify":
            return json.dumps({"why": "It is the only one.", "accurate": True, "unique": True})
        if kind == "judge":
            return json.dumps({"why": "It is well.", **dict.fromkeys(FAULTS, False)})
        way = {"right": "towards the right", "bottom": "downward"}[side]
        reasoning = (
            f"The {phrase} is only partly seen. The {' and the '.join(occluders) or 'thing'} in front of it covers the "
            f"rest. A whole {thing} has an even outline. So it has to be continued {way}, by a considerable part."
        )
        said = {"reasoning": reasoning, "object": thing, "occluders": occluders, "hidden_sides": [side]}
        return json.dumps(said)


class Handler(JsonHandler):
    server: Teacher

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": self.server.name, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            down = self.server.fails_after is not None and sum(self.server.asked.values()) >= self.server.fails_after
        if down:
            self.reply(401, {"error": {"message": "the key has ended"}})
            return
        choice = {"index": 0, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": self.server.answer(body)}}
        time.sleep(self.server.seconds)
        self.reply(
            200,
            {"model": self.server.name, "choices": [choice], "usage": {"prompt_tokens": 900, "completion_tokens": 60}},
        )


@contextmanager
def teaching() -> Iterator[Teacher]:
    """Run the teacher in a thread."""
    with running_server(Teacher()) as server:
        yield server
