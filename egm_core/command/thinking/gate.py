"""`egm evaluate gate`: learns from answers with and without thinking when thinking is worth its tokens."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser, number
from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.reports.origin import stored
from egm_core.evaluate.statistics import mean
from egm_core.evaluate.thinking.fit import FEWEST, fitted
from egm_core.evaluate.thinking.pairs import Pairs, paired
from egm_core.models.folder import EMBEDDED, resolve

# The least of the shares tried with which the embedded model keeps 95 % of what thinking gains, by cross-validation.
TOKENS = 0.67
TOKENS_TOGETHER = 0.6
# With fewer, another draw of scenes gives another gate.
SCENES, QUESTIONS = 1000, 2000
_log = logging.getLogger("egm.evaluate")


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
            gain = f"{100 * kept.gain.value:.0f} % ({written(kept.gain, '.0f', 100)})"
            print(f"- {what}: {gain} at {100 * kept.tokens:.0f} % of the tokens of reasoning")
    if found.together is None:
        print(f"- both boxes together: fewer than {FEWEST} expressions were asked for both, so each is taken alone")
    print(f"\n{legend('scenes', wilson=False)}")
    _doubt(pairs)


def _doubt(pairs: Pairs) -> None:
    """Warn where so few answers can hardly teach a gate, or where thinking gains nothing for sure."""
    scenes = len(set(pairs.scenes.tolist()))
    if scenes < SCENES or len(pairs) < QUESTIONS:
        _log.warning(
            "%d questions of %d scenes are few for a gate, which other scenes might fit otherwise; evaluate at least"
            " %d questions of %d scenes", len(pairs), scenes, QUESTIONS, SCENES,
        )  # fmt: skip
    gain = mean(pairs.gain.tolist(), pairs.scenes.tolist(), share=False)
    if gain.low <= 0:
        _log.warning(
            "thinking gains %.1f points (%s), which may be nothing, so that shares of it say little; evaluate more"
            " scenes, or use the model without thinking", 100 * gain.value, written(gain, scale=100),
        )  # fmt: skip
