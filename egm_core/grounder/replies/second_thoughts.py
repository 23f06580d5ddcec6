"""A thought about the first answers, where the model's gate says that it is worth its time, and where there is time."""

from __future__ import annotations

import time

from egm_core.engines.base import Request
from egm_core.families import Task
from egm_core.grounder.decision import Replies, better
from egm_core.grounder.question.queries import Queries
from egm_core.grounder.reconsider import Wish, carried, wished
from egm_core.grounder.replies.waiting import Waiting
from egm_core.grounder.several.wanted import Question
from egm_core.grounder.thought_time import ThoughtTime


class SecondThoughts:
    """Has models think about what they answered at first; `thought_time` knows how long they think here of late."""

    def __init__(self, queries: Queries, waiting: Waiting, thought_time: ThoughtTime) -> None:
        self._models = queries.models
        self._queries = queries
        self._waiting = waiting
        self._time = thought_time

    async def about(
        self, requests: dict[Task, Request], first: Replies, asked: Question, end: float
    ) -> tuple[Replies, tuple[Task, ...], tuple[str, ...]]:
        """Have the model think about the answers where that is worth its time, until `end`.

        Gives the better replies, the tasks whose thought did not end in time, or could not, and what failed in words.
        """
        wish: Wish = await self._waiting.in_thread(wished, first, self._models.infos, asked.sent)
        began = time.monotonic()
        if not wish.tasks or not self._time.fits(end - began):
            return first, wish.tasks, ()
        write = self._queries.request
        again = {task: write(task, requests[task].image, requests[task].prompt, True) for task in wish.tasks}
        thoughts = await self._waiting.replies(again, asked, end, None, None)
        late = tuple(task for task in wish.tasks if task not in thoughts)
        note = self._time.cut if late else self._time.ended
        note(time.monotonic() - began)
        before = await self._waiting.in_thread(self._models.curves, first)
        after = await self._waiting.in_thread(self._models.curves, thoughts)
        chosen = {task: better(task, first[task], thought, before, after) for task, thought in thoughts.items()}
        other = carried(first, thoughts, self._models.infos) if wish.shared else None
        if other is not None:
            chosen["amodal"], late = other, tuple(task for task in late if task != "amodal")
        failed = tuple(
            f"thought_failed: {task}, {thought.trouble}" for task, thought in thoughts.items() if thought.trouble
        )
        return first | chosen, late, failed
