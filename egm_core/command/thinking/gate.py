"""`egm evaluate gate`: learns from answers with and without thinking when thinking is worth its tokens."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser, number
from egm_core.evaluate.reports.origin import stored
from egm_core.evaluate.thinking.fit import FEWEST, fitted
from egm_core.evaluate.thinking.pairs import paired
from egm_core.models.folder import EMBEDDED, resolve

# By cross-validation the embedded model keeps 97 % of what thinking gains with these, two more than are wanted.
TOKENS = 0.67
TOKENS_TOGETHER = 0.47


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "gate",
        help="learn when thinking is worth its tokens, beside the weights",
        description="Fit the gate that says, once a first box is there, whether the model should think about it: from\n"
        "two results of `scenes --json` on the same seeds from 400000000 on, the first with --no-reasoning.",
        example="out/direct.json out/thinking.json --model models/mine",
    )
    own.add_argument("direct", type=Path, help="result of `scenes --no-reasoning --json`")
    own.add_argument("thinking", type=Path, help="result of `scenes --json`, on the same seeds")
    own.add_argument("--model", default=EMBEDDED, help="model folder that was evaluated; the gate goes there")
    own.add_argument(
        "--tokens", type=number(0.01, 1), default=TOKENS, help="share of the tokens of always thinking to spend"
    )
    own.add_argument(
        "--tokens-together",
        type=number(0.01, 1),
        default=TOKENS_TOGETHER,
        help="the same where both boxes are asked for, so that one thought may serve both",
    )
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Fit, say what cross-validation keeps, and write."""
    folder = resolve(arguments.model)
    for file in (arguments.direct, arguments.thinking):
        origin, _ = stored(file, folder)
        origin.check()
    pairs = paired(arguments.direct, arguments.thinking)
    found = fitted(pairs, arguments.tokens, arguments.tokens_together, origin.engine)
    file = found.gates.save(
        folder, first_seed=origin.first_seed, scenes=origin.scenes, questions=len(pairs), engine=origin.engine
    )
    right = [100 * float(values.mean()) for values in (pairs.first, pairs.thought)]
    print(f"{file}: {len(pairs)} questions of {origin.scenes} scenes from seed {origin.first_seed}\n")
    print(
        f"right without thinking {right[0]:.1f} %, with it {right[1]:.1f} %. In cross-validation by scene the gate "
        "keeps of that gain, for"
    )
    for what, kept in (("a question alone", found.alone), ("both boxes together", found.together)):
        if kept is not None:
            print(f"- {what}: {100 * kept.gain:.0f} % at {100 * kept.tokens:.0f} % of the tokens of reasoning")
    if found.together is None:
        print(f"- both boxes together: fewer than {FEWEST} expressions were asked for both, so each is taken alone")
