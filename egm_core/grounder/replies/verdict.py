"""Decides what the replies to a question come to, by every limit that its user has set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from egm_core.families import Task
from egm_core.grounder.decision import Replies, decide, inside
from egm_core.grounder.grounding import Grounding
from egm_core.grounder.question.models import Models
from egm_core.grounder.question.sentences import THOUGHT_ALL_THE_SAME
from egm_core.grounder.score_bound import bounded
from egm_core.grounder.several.deciding import decide_several, doubts_of, limited
from egm_core.grounder.several.wanted import Question


@dataclass(frozen=True)
class Verdict:
    """The limits: the least score, and whether answers outside of a model's domain are taken back."""

    models: Models
    min_score: float
    takes_back: bool

    def decided(
        self, replies: Replies | None, doubts: Mapping[Task, tuple[str, ...]], size: tuple[int, int], asked: Question
    ) -> Grounding:
        """Decide; `doubts` says for each task what its model was not trained on, `size` is (width, height).

        `replies` None: the query was given up.
        """
        if replies is None:
            return Grounding("error", "timeout", "the query was given up (timeout)")
        if asked.several:
            found = decide_several(replies["visible"], replies.get("amodal"), self.models.infos, size)
        else:
            # What a score means was measured inside the model's worlds.
            curves = {task: curve for task, curve in self.models.curves(replies).items() if not doubts.get(task)}
            found = decide(replies["visible"], replies.get("amodal"), self.models.infos, size, curves)
        if self.takes_back:
            found = inside(found, doubts)
        found = limited(bounded(found, self.min_score), asked.most)
        found = replace(found, warnings=(*doubts_of(found, replies["visible"].answer, asked), *found.warnings))
        if any(reply.thought_all_the_same for reply in replies.values()):
            found = replace(found, warnings=(*found.warnings, THOUGHT_ALL_THE_SAME))
        return found
