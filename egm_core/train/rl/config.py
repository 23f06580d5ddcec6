"""The settings of reinforcement learning, and what follows from them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from egm_core.train.configuration import ConfigurationError, setting
from egm_core.train.rl.verl.config import VerlConfig
from egm_core.train.run.config import RunConfig
from egm_core.train.sft.config import SCHEDULERS

# Where verl would put a picture, a film or a sound.
PLACEHOLDERS = ("<image>", "<video>", "<audio>")


ROLLOUTS = ("transformers", "colocate", "server")


@dataclass
class RLConfig(RunConfig):
    """All settings of a reinforcement-learning run; the defaults are the paper's for Qwen3-VL (Table 6).

    An update takes `prompts` questions with `generations` answers each, of which each device holds `micro_batch`
    in a forward pass. `steps_per_generation` micro-batches are rolled out at a time (0: all of an update's); fewer
    hold fewer pictures in memory and stay on-policy. `warmup` counts updates, or is a share of them below 1.
    `rollout` says who answers: transformers, vLLM in the training process (colocate), or a vLLM server.
    `answers` of each step are kept, with their pictures at each logged step. `held_out` files are asked every
    `eval_steps` (0: every `save_steps`), once a question; the checkpoint with the highest reward there is kept.
    `official_pixels` rounds boxes to pixels in the reward as the released code does. `share_prompts` lets answers
    share the work for their prompt: on a CPU, unless told otherwise.
    """

    data: list[str] = field(default_factory=list)
    learning_rate: float = setting(3e-6, above=0, high=1)
    scheduler: str = setting("cosine", choices=SCHEDULERS)
    warmup: float = setting(30, low=0)
    weight_decay: float = setting(0.0, low=0, high=1)
    clip: float = setting(1.0, above=0)
    epochs: float = setting(5.0, above=0)
    max_steps: int = setting(-1, low=1, allow=(-1,))
    prompts: int = setting(256, low=1)
    generations: int = setting(16, low=2)
    micro_batch: int = setting(32, low=1)
    steps_per_generation: int = setting(0, low=0)
    ratio_clip: float = setting(0.2, above=0, high=1)
    kl: float = setting(0.005, low=0)
    kl_limit: float = setting(10.0, above=0, changeable=True)
    entropy: float = setting(0.0, low=0)
    success_weight: float = setting(0.5, low=0, high=1)
    official_pixels: bool = setting(False)
    max_tokens: int = setting(1024, low=1)
    temperature: float = setting(0.7, above=0, high=10)
    top_p: float = setting(0.9, above=0, high=1)
    top_k: int = setting(50, low=0)
    freeze_vision: bool = setting(True)
    lora_rank: int = setting(0, low=0)
    lora_alpha: int = setting(32, low=1)
    rollout: str = setting("transformers", choices=ROLLOUTS)
    share_prompts: bool | None = setting(None)
    vllm_memory: float = setting(0.3, above=0, high=1, changeable=True)
    vllm_context: int = setting(32768, low=1)
    vllm_tensor_parallel: int = setting(1, low=1)
    vllm_sleep: bool = setting(True, changeable=True)
    vllm_url: str = setting("http://127.0.0.1:8000", changeable=True)
    answers: int = setting(8, low=0, changeable=True)
    held_out: list[str] = field(default_factory=list)
    eval_steps: int = setting(0, low=0, changeable=True)
    processes: int = setting(1, low=1)
    engine: str = setting("trl", choices=("trl", "verl"))
    objective: str = setting("grpo", choices=("grpo", "gspo"))
    verl: VerlConfig = field(default_factory=VerlConfig, metadata={"changeable": True})


def accumulation(config: RLConfig) -> int:
    """Give the number of micro-batches of an update on each device.

    Raises ConfigurationError where answers and groups don't come out even.
    """
    world = int(os.environ.get("WORLD_SIZE", config.processes))
    answers, at_once = config.prompts * config.generations, config.micro_batch * world
    if answers % at_once:
        raise ConfigurationError(
            f"an update of {config.prompts} prompts with {config.generations} generations is {answers} answers, which "
            f"{world} processes with a micro_batch of {config.micro_batch} can't share evenly; "
            f"choose a micro_batch that divides {answers / world:g}"
        )
    steps = answers // at_once
    spg = config.steps_per_generation or steps
    if steps % spg or (at_once * spg) % config.generations:
        raise ConfigurationError(
            f"steps_per_generation is {spg}; it must divide the {steps} micro-batches of an update, and "
            f"{at_once} answers times it must be whole groups of {config.generations}"
        )
    return steps
