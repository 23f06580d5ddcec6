#!/usr/bin/env python3
"""Where the time of an RL step goes: answers and tokens a second for rollout, reward, log-probs and update.

    tools/env.sh python tools/bench_rl.py --data SAMPLES.jsonl [--model MODEL] [--steps 3] [key=value ...]

Runs real steps of `egm_core.train.rl` in one process and times the parts of its trainer, by the wall clock and by
this process's own CPU time, which other work on the machine does not lengthen. The settings are `RLConfig`'s.
Then times the reward alone over 4,096 answers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from egm_core.arguments import COUNT
from egm_core.families import family
from egm_core.reward import score
from egm_core.train.configuration import load
from egm_core.train.rl import stage as rl
from egm_core.train.rl import trainer as grpo
from egm_core.train.run import curves

PARTS = {
    "_generate_single_turn": "rollout",
    "_calculate_rewards": "reward",
    "_get_per_token_logps_and_entropies": "log-probs",
    "compute_loss": "update, forward",
    "training_step": "step",
}


class Clock:
    """Seconds spent in named parts, by the wall and by the CPU; of nested parts, each counts its own only."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._inside: list[list[float]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside to a part."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._inside.append([0.0, 0.0])
        yield
        spent = [time.perf_counter() - wall, time.process_time() - cpu]
        inner = self._inside.pop()
        for i in (0, 1):
            self.spent[name][i] += spent[i] - inner[i]
            if self._inside:
                self._inside[-1][i] += spent[i]


def timed(clock: Clock, method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Wrap a method of the trainer so that its time counts."""

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        with clock.part(name):
            return method(self, *args, **kwargs)

    return run


def main() -> None:
    """Run the steps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a samples file")
    parser.add_argument("--model", default="egm_tiny")
    parser.add_argument("--steps", type=COUNT, default=3)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of RLConfig")
    options = parser.parse_intermixed_args()
    clock = Clock()
    trainer = grpo.EGMGRPOTrainer
    for method, name in PARTS.items():
        setattr(trainer, method, timed(clock, getattr(trainer, method), name))
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "rl.yaml"
        settings.write_text("prompts: 32\ngenerations: 8\nmicro_batch: 256\nmax_tokens: 160\ntemperature: 1.0\n")
        own = [f"data=[{options.data}]", f"model={options.model}", f"output={folder}/run", "logging_steps=1"]
        own += [f"max_steps={options.steps}", "report_to=[]", "save_steps=1000000", "top_p=1.0", "top_k=0"]
        config = load(rl.RLConfig, settings, [*own, *options.overrides])
        rl.rl(config)
        logged = [row for row in curves.read(Path(folder) / "run" / "metrics.jsonl") if "reward" in row]
    answers = config.prompts * config.generations * options.steps
    tokens = answers * sum(row["completions/mean_length"] for row in logged) / len(logged)
    print(f"\n{options.steps} steps of {answers // options.steps} answers, {tokens / answers:.0f} tokens each")
    print(f"{'part':<28}{'wall s':>9}{'CPU s':>9}{'answers/s':>11}{'tokens/s':>10}   (by CPU)")
    total = [sum(spent[i] for spent in clock.spent.values()) for i in (0, 1)]
    for name, (wall, cpu) in [*clock.spent.items(), ("all", total)]:
        print(f"{name:<28}{wall:>9.2f}{cpu:>9.2f}{answers / cpu:>11.1f}{tokens / cpu:>10.0f}")
    print(f"reward alone: {reward_cost() * 1e6:.0f} us of CPU an answer, over 4,096")


def reward_cost() -> float:
    """Time the reward over 4,096 answers with reasoning; CPU seconds an answer."""
    speaker = family("qwen3_vl")
    trace = "Mugs: " + ", ".join(f"({i},{i})" for i in range(100, 900, 40)) + ". Leftmost: (100,100)."
    truths = [None if i % 7 == 0 else (100.0, 100.0, 300.0 + i % 500, 400.0) for i in range(4096)]
    texts = [speaker.target("the red mug", truth, trace, "visible") for truth in truths]
    began = time.process_time()
    score(texts, truths, speaker, sizes=[(640, 480)] * 4096)
    return (time.process_time() - began) / 4096


if __name__ == "__main__":
    main()
