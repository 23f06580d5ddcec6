"""The settings of reinforcement learning, and what follows from them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from egm_core.train.configuration import ConfigurationError, limits, setting
from egm_core.train.rl.verl.config import VerlConfig
from egm_core.train.run.config import RunConfig
from egm_core.train.sft.config import SCHEDULERS

# Where verl would put a picture, a film or a sound.
PLACEHOLDERS = ("<image>", "<video>", "<audio>")
ROLLOUTS = ("transformers", "colocate", "server")


@dataclass
class RLConfig(RunConfig):
    """All settings of a reinforcement-learning run; the defaults are the paper's for Qwen3-VL (Table 6)."""

    data: list[str] = field(
        default_factory=list, metadata=limits(description="sample files to ask about, .jsonl or .parquet")
    )
    learning_rate: float = setting(3e-6, above=0, high=1, description="peak rate of AdamW")
    scheduler: str = setting("cosine", choices=SCHEDULERS, description="course of the rate after the warm-up")
    warmup: float = setting(30, low=0, description="updates that warm up, from 1 on; their share, below 1")
    weight_decay: float = setting(0.0, low=0, high=1, description="decay of the weights in each update")
    clip: float = setting(1.0, above=0, description="greatest norm of the gradient")
    epochs: float = setting(5.0, above=0, description="passes through the data")
    max_steps: int = setting(-1, low=1, allow=(-1,), unit="updates", description="length of the run; -1: by epochs")
    prompts: int = setting(256, low=1, unit="questions", description="questions of an update")
    generations: int = setting(16, low=2, unit="answers", description="answers to each question")
    micro_batch: int = setting(32, low=1, unit="answers", description="answers that a device holds in a forward pass")
    steps_per_generation: int = setting(
        0,
        low=0,
        unit="micro-batches",
        description="micro-batches rolled out at a time; 0: all of an update's. Fewer hold fewer images in memory "
        "and stay on-policy",
    )
    ratio_clip: float = setting(0.2, above=0, high=1, description="clip of the ratio of the new to the old policy")
    kl: float = setting(0.005, low=0, description="weight of the KL to the model that the run began with")
    kl_limit: float = setting(10.0, above=0, changeable=True, unit="nats", description="KL at which the run stops")
    entropy: float = setting(0.0, low=0, description="weight of the entropy bonus")
    success_weight: float = setting(
        0.5, low=0, high=1, description="share of success (IoU from 0.5 on) in the reward; the rest is the IoU"
    )
    token_price: float = setting(
        0.0,
        low=0,
        high=1,
        description="reward that each token of reasoning costs; 0, as in the paper: none. Advantages are relative to a "
        "question's other answers, so that a small price goes far where all of them are right",
    )
    direct_share: float = setting(
        0.0,
        low=0,
        high=1,
        description="share of the questions that are asked without thinking, as an answer by a deadline is asked for",
    )
    official_pixels: bool = setting(False, description="round boxes to pixels in the reward, as the released code does")
    max_tokens: int = setting(1024, low=1, unit="tokens", description="longest answer")
    temperature: float = setting(0.7, above=0, high=10, description="temperature of the answers")
    top_p: float = setting(0.9, above=0, high=1, description="likeliest share of the tokens that answers draw from")
    top_k: int = setting(50, low=0, unit="tokens", description="likeliest tokens that answers draw from; 0: all")
    freeze_vision: bool = setting(True, description="leave the vision tower as it is")
    lora_rank: int = setting(0, low=0, description="rank of LoRA; 0: train the weights themselves")
    lora_alpha: int = setting(32, low=1, description="scale of LoRA: its share is lora_alpha / lora_rank")
    rollout: str = setting(
        "transformers",
        choices=ROLLOUTS,
        description="who answers: transformers, vLLM in the training process (colocate), or a vLLM server",
    )
    share_prompts: bool | None = setting(
        None, description="let answers share the work for their prompt; null: on a CPU only"
    )
    vllm_memory: float = setting(
        0.3, above=0, high=1, changeable=True, description="share of a GPU's memory that vLLM takes, for colocate"
    )
    vllm_context: int = setting(32768, low=1, unit="tokens", description="longest prompt and answer in vLLM")
    vllm_tensor_parallel: int = setting(1, low=1, description="GPUs that vLLM spreads a model over")
    vllm_sleep: bool = setting(True, changeable=True, description="let vLLM give its memory back between rollouts")
    vllm_url: str = setting(
        "http://127.0.0.1:8000", changeable=True, description="address of the vLLM server, for rollout: server"
    )
    answers: int = setting(
        8, low=0, changeable=True, description="answers of each step that are kept, with images at each logged step"
    )
    held_out: list[str] = field(
        default_factory=list,
        metadata=limits(
            description="sample files that are asked once a question; the checkpoint with the highest reward is kept"
        ),
    )
    eval_steps: int = setting(
        0, low=0, changeable=True, unit="updates", description="updates between looks at held_out; 0: save_steps"
    )
    processes: int = setting(1, low=1, description="processes on this machine, for a CPU or several GPUs")
    engine: str = setting("trl", choices=("trl", "verl"), description="library that trains")
    objective: str = setting("grpo", choices=("grpo", "gspo"), description="ratio by token (grpo) or by answer (gspo)")
    verl: VerlConfig = field(
        default_factory=VerlConfig,
        metadata=limits(changeable=True, description="what only verl asks for; see verl.action and those below"),
    )


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
