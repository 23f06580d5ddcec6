"""What a grounder says of a question itself."""

from __future__ import annotations

NO_WORDS = "the instruction is empty; name an object, such as 'the red mug'"
THOUGHT_ALL_THE_SAME = (
    "reasoning_not_forbidden: the model thought although reasoning is off, which costs its time; start the server"
    " without a reasoning parser, or set reasoning to true"
)
NO_GATE = (
    "several_without_thinking: with a deadline the model answers about several objects without thinking, for what says"
    " when thinking is worth its time was fitted on one object"
)
