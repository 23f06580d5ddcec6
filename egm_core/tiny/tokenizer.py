"""The embedded model's tokenizer: whole words, whole numerals, the answer's JSON in a few pieces, bytes for the rest.

A text of the worlds' closed vocabulary costs one token a word and one a coordinate; any other text falls back
to bytes, so every string round-trips. Numerals and the think tags are ordinary tokens: decoding with
`skip_special_tokens=True` keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
THINK_TOKENS = ("<think>", "</think>")
LARGEST_COORDINATE = 1000

ANSWER_OPEN = '```json\n[\n\t{"bbox_2d": ['
ANSWER_LABEL = '], "label": "'
ANSWER_CLOSE = '"}\n]\n```'
ANSWER_ABSENT = "```json\n[]\n```"
PIECES = (
    *(ANSWER_OPEN, ANSWER_LABEL, ANSWER_CLOSE, ANSWER_ABSENT),
    *("\n\n", "\n", ", ", " (", "), (", "),", ").", ")", "(", ","),
)
CHAT_WORDS = ("user", "assistant", "system")
PROMPT_WORDS = (
    "Locate",
    "amodally",
    "output",
    "its",
    "bbox",
    "coordinates",
    "using",
    "JSON",
    "format",
    "Point",
    "to",
    "every",
    "with",
    "color",
    "state",
    "size",
    "hiding",
)

CHAT_TEMPLATE = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    "{% if c.type == 'image' or 'image' in c %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c.type == 'video' or 'video' in c %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in c %}{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


def _escaped(piece: str) -> str:
    return "".join("\\" + c if c in r"\()[]{}.*+?|^$" else {"\n": r"\n", "\t": r"\t"}.get(c, c) for c in piece)


def _pattern() -> Regex:
    literal = sorted((p for p in PIECES if p not in ("\n", ", ", ",", "(", ")")), key=len, reverse=True)
    rest = [r", (?=[0-9])", r" ?[A-Za-z]+", r"[0-9]{1,4}", r" ", r"\n", r"[^\sA-Za-z0-9]", r"\s"]
    return Regex("|".join([_escaped(p) for p in literal] + rest))


def build_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """Build the tokenizer for a closed set of words (lower case; their capitalised forms are added)."""
    to_unicode = str.maketrans({" ": "Ġ", "\n": "Ċ", "\t": "ĉ"})
    vocabulary: dict[str, int] = {}

    def add(text: str) -> None:
        vocabulary.setdefault(text.translate(to_unicode), len(vocabulary))

    for byte in sorted(ByteLevel.alphabet()):
        vocabulary.setdefault(byte, len(vocabulary))
    for number in range(LARGEST_COORDINATE + 1):
        add(str(number))
    for piece in PIECES:
        add(piece)
    for word in sorted({*words, *CHAT_WORDS, *PROMPT_WORDS}):
        for form in dict.fromkeys((word, word.capitalize() if word.islower() else word)):
            add(form)
            add(" " + form)
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_pattern(), "isolated"),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
    core.add_tokens([AddedToken(t, special=False, normalized=False) for t in THINK_TOKENS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=2048
    )
    tokenizer.padding_side = "left"
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def numeral_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Give the token ids of the coordinates 0 to 1000, in order."""
    return [tokenizer.convert_tokens_to_ids(str(n)) for n in range(LARGEST_COORDINATE + 1)]
