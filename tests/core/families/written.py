"""Answers as models write them, and their reading, as tests need them."""

from egm_core.families import family

QWEN, INTERN = family("qwen3_vl"), family("internvl3")
REASONING = "There are 2 mugs, at (120,500) and (430,250). Behind the box is the one at (430,250)."
QWEN_BOX = (
    f"{REASONING}\n</think>\n\n"
    '```json\n[\n\t{"bbox_2d": [401, 210, 460, 290], "label": "the mug behind the blue box"}\n]\n```'
)
INTERN_BOX = (
    f"<think>{REASONING}</think><answer><ref>the mug behind the blue box</ref><box>[401, 210, 460, 290]</box></answer>"
)
INTERN_AMODAL = f"<think>{REASONING}</think><ref>the mug behind the blue box</ref><box>[401, 210, 460, 290]</box>"
SENT, BOX = "the mug behind the blue box", (401.0, 210.0, 460.0, 290.0)


def box(text: str, name: str = "qwen3_vl", mode: str = "strict"):
    """Parse a text that must hold a box."""
    answer = family(name).parse(text, mode)
    assert answer.kind == "box", answer
    return answer.box


def reason(text: str, name: str = "qwen3_vl", mode: str = "strict") -> str:
    """Parse a text that must be refused, and give the reason."""
    answer = family(name).parse(text, mode)
    assert (answer.kind, answer.box, answer.span) == ("invalid", None, None), answer
    return answer.reason


def fenced(content: str) -> str:
    return f"so it is that one\n</think>\n\n```json\n{content}\n```"


def boxed(content: str) -> str:
    return f"<think>so it is that one</think><answer><ref>mug</ref><box>{content}</box></answer>"
