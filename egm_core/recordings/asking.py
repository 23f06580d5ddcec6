"""Asks about a recording's pictures, several questions at a time, before anything is written."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from egm_core.grounder.grounder import Grounder
from egm_core.pictures.messages import RGB, ImageError, decode, guess
from egm_core.recordings.answers import Answered, Answers, Key, answered
from egm_core.recordings.cameras import Camera
from egm_core.recordings.looking import Looking, Pace, Turns, pictures
from egm_core.recordings.recording import Recording

# So many failures in a row are of an engine that will not answer the rest either.
HOPELESS = 8
_log = logging.getLogger("egm.ground")


@dataclass(frozen=True)
class Question:
    """A line about a picture, by what its answer is kept under."""

    key: Key
    image: RGB


class Asking:
    """One way through a recording: decodes the pictures whose turn it is, and asks each line about them.

    `moved` hears of every picture that was gone past, `tell` of what is odd. `unread` says why the first of those that
    cannot be read cannot.
    """

    def __init__(
        self,
        recording: Recording,
        cameras: Sequence[Camera],
        lines: Sequence[str],
        pace: Pace,
        answers: Answers,
        moved: Callable[[], Any],
        tell: Callable[[str], None],
    ) -> None:
        self._recording, self._looking, self._turns = recording, Looking(cameras), Turns(pace)
        self._lines, self._answers, self._moved, self._tell = lines, answers, moved, tell
        self.outcomes: Counter[str] = Counter()
        self.unread = ""
        self._failed = 0

    def run(self, grounder: Grounder, at_once: int, timeout: float | None) -> None:
        """Ask all that was not answered before; RuntimeError where the engine answers nothing any more."""
        asyncio.run(self._run(grounder, at_once, timeout))

    async def _run(self, grounder: Grounder, at_once: int, timeout: float | None) -> None:
        under_way: set[asyncio.Task[None]] = set()

        async def one(question: Question) -> None:
            found = await grounder.ask(question.image, question.key[2], timeout)
            self._conclude(question.key, answered(found))

        try:
            for question in self._questions():
                while len(under_way) >= at_once:
                    under_way = await _some(under_way)
                under_way.add(asyncio.create_task(one(question)))
                # The next picture is read while the engine works on this one.
                await asyncio.sleep(0)
            while under_way:
                under_way = await _some(under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _questions(self) -> Iterator[Question]:
        doubted: set[str] = set()
        for picture in pictures(self._recording.entries(lambda said: None), self._looking):
            self._moved()
            if picture.still is None:
                self.unread = self.unread or picture.trouble
                continue
            if not self._turns.due(picture):
                continue
            keys = [(picture.camera.topic, picture.number, line) for line in self._lines]
            left = [key for key in keys if key not in self._answers]
            if not left:
                self._turns.taken(picture)
                continue
            try:
                image = decode(picture.still.message)
            except ImageError as error:
                self.unread = self.unread or str(error)
                continue
            told = guess(picture.still.message)
            if told and told not in doubted:
                doubted.add(told)
                self._tell(f"{picture.camera.topic}: {told}")
            self._turns.taken(picture)
            yield from (Question(key, image) for key in left)

    def _conclude(self, key: Key, answer: Answered) -> None:
        self._answers.add(key, answer)
        self.outcomes[answer.outcome] += 1
        if answer.outcome != "error":
            self._failed = 0
            return
        self._failed += 1
        _log.debug("%s, picture %d, %r: %s (%s)", *key, answer.reason, answer.detail)
        if self._failed >= HOPELESS:
            raise RuntimeError(
                f"{HOPELESS} questions in a row got no answer: {answer.reason}: {' '.join(answer.detail.split())}; what"
                f" was answered before is kept in {self._answers.path}, and the same command goes on from there"
            )


async def _some(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    done, left = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left
