"""One query: its answer as it comes, cut where its box is complete, and read in its family's format."""

from __future__ import annotations

import threading
from dataclasses import replace

from egm_core.engines.base import Chunk, EngineError, Request, collect
from egm_core.families import Task
from egm_core.grounder.decision import Reply
from egm_core.grounder.question.models import Models
from egm_core.grounder.reading import read
from egm_core.grounder.several.reading import read_several
from egm_core.grounder.several.wanted import Question


def reply(models: Models, task: Task, request: Request, asked: Question, stop: threading.Event) -> Reply:
    """Have a task's engine answer a request, and read the answer; once `stop` is set the request is aborted."""
    info, opening, whole = models.infos[task], models.thinking(task).opening(request.reasoning), None
    # What a model makes of words that it never saw is told by its label.
    stops = info.stop_at_box and models.knows(task, asked.words) and not asked.several
    chunks: list[Chunk] = []
    try:
        for chunk in models.engines[task].generate(request):
            chunks.append(chunk)
            if stops and "]" in chunk.text and chunk.finish is None:
                whole = info.speaker.closed("".join(each.text for each in chunks), opening)
                if whole is not None:
                    models.engines[task].abort(request.id)
                    break
            # An abort that came before the engine knew the request has met nobody.
            if stop.is_set():
                models.engines[task].abort(request.id)
    except EngineError as error:
        return Reply(None, None, error)
    completion = collect(chunks)
    if completion.finish == "abort":
        return Reply(completion, None, EngineError("engine_aborted", "the engine gave the query up"))
    said = completion if whole is None else replace(completion, text=whole)
    answer = (read_several if asked.several else read)(info.speaker, said, opening, asked.words)
    return Reply(completion, answer, thinking=request.reasoning)
