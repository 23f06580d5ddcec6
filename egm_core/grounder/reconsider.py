"""After the first answers: which of them are worth a thought, and what the thoughts make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from egm_core.families import Task
from egm_core.grounder.decision import Replies, Reply
from egm_core.grounder.gate import features
from egm_core.grounder.gate_file import gates_of
from egm_core.grounder.scoring import edge_logprobs, opening_logprob, token_score
from egm_core.grounder.together import Said, carries, joint
from egm_core.models.calibration import Curve
from egm_core.models.folder import ModelInfo

Infos = Mapping[Task, ModelInfo]


@dataclass(frozen=True)
class Wish:
    """The tasks to think about, and whether a thought about the visible box serves the amodal answer as well."""

    tasks: tuple[Task, ...] = ()
    shared: bool = False


def wished(first: Replies, infos: Infos, sent: str) -> Wish:
    """Say by the models' gates which first answers to an expression are worth a thought."""
    seen = {
        task: _seen(task, reply, infos[task], sent)
        for task, reply in first.items()
        if reply.answer is not None and reply.completion is not None and not reply.thought_all_the_same
    }
    path = infos["visible"].path
    together = gates_of(path).together if len(seen) > 1 and path == infos["amodal"].path else None
    if together is not None:
        says = said(first["visible"], infos["visible"]), said(first["amodal"], infos["amodal"])
        return Wish(together.wanted(joint(seen["visible"], seen["amodal"], says)), True)
    return Wish(tuple(task for task, values in seen.items() if gates_of(infos[task].path).alone.worth(values) > 0))


def carried(first: Replies, thoughts: Replies, infos: Infos) -> Reply | None:
    """Give the visible answer after thinking where it takes the amodal one's place, see `together`.

    None where the amodal answer stays: the first, or the one after a thought of its own.
    """
    thought, own = thoughts.get("visible"), thoughts.get("amodal")
    if thought is None or thought.trouble or "amodal" not in first or (own is not None and not own.trouble):
        return None
    taken = carries(said(first["amodal"], infos["amodal"]), said(thought, infos["visible"]))
    return replace(thought, carried=True) if taken else None


def carried_curve(info: ModelInfo, engine: str) -> Curve | None:
    """Give what the score of a carried answer means, where that was measured with this program."""
    together = gates_of(info.path).together
    return together.curve if together is not None and together.engine == engine else None


def said(reply: Reply, info: ModelInfo) -> Said:
    """Give what a reply says, in shares of the picture; an error says nothing."""
    if reply.trouble or reply.answer is None:
        return Said("invalid")
    if reply.answer.box is None:
        return Said(reply.answer.kind)
    x0, y0, x1, y1 = (edge / info.frame for edge in reply.answer.box)
    return Said(reply.answer.kind, (x0, y0, x1, y1))


def _seen(task: Task, reply: Reply, info: ModelInfo, sent: str) -> dict[str, float]:
    completion, answer = reply.completion, reply.answer
    assert completion is not None and answer is not None
    says = said(reply, info)
    score, known = token_score(completion, answer)
    edges, opening = edge_logprobs(completion, answer), opening_logprob(completion, answer)
    return features(task, sent, says.outcome, says.box, score if known else None, edges, opening)
