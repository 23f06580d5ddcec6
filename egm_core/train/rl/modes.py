"""Both ways of asking in one batch: with thinking, and without, as an answer by a deadline is asked for first.

A direct question is the same prompt behind which the chat template writes an empty thought. So the policy is trained
on the tokens that the grounder sends. Both ways come from one template: a message says by `direct` which it wants.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from egm_core.families.parts import THINK_CLOSE
from egm_core.families.thinking import Thinking
from egm_core.models.folder import ModelInfo
from egm_core.train.configuration import ConfigurationError

DIRECT = "direct"


def mixed(rows: Iterable[dict[str, Any]], share: float, seed: int) -> Iterator[dict[str, Any]]:
    """Mark a share of the questions, drawn by the seed, as asked without thinking; the last message says it too."""
    drawn = random.Random(seed)
    for row in rows:
        direct = drawn.random() < share
        *before, last = row["prompt"]
        yield {**row, "prompt": [*before, {**last, DIRECT: direct}], DIRECT: direct}


def refuse_direct(info: ModelInfo) -> None:
    """Refuse to ask a model both ways where its chat template has but one; ConfigurationError says why."""
    thinking = info.thinking or info.speaker.thinking
    reason = ""
    if not info.reasoning:
        reason = "answers without thinking already, as its egm.json says"
    elif not thinking.switch and thinking.unwanted == "plain":
        reason = (
            "has a chat template that neither opens a thought nor has a switch for it, so both prompts are the same"
        )
    if reason:
        raise ConfigurationError(
            f"direct_share asks without thinking, and {info.name} {reason}; set direct_share=0", "direct_share"
        )


def both_ways(template: str | None, thinking: Thinking) -> str:
    """Give a chat template that obeys `direct` of the last message, and writes any other chat as before."""
    if not isinstance(template, str):
        raise ConfigurationError(
            "direct_share needs a model folder with one chat template in its processor (chat_template.jinja); "
            "set direct_share=0",
            "direct_share",
        )
    asked = f"messages[-1].{DIRECT}"
    # Templates are rendered with trim_blocks: the line's end behind a block is not written.
    switch = f"{{% if {asked} %}}{{% set {thinking.switch} = false %}}{{% endif %}}\n" if thinking.switch else ""
    shut = ""
    if thinking.unwanted == "open":
        shut = f"{{{{ '{THINK_CLOSE}\\n\\n' if {asked} and add_generation_prompt else '' }}}}"
    # Jinja leaves a template's last line end out, which would count in the middle of one.
    return switch + template.removesuffix("\n") + shut
