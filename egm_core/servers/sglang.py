"""SGLang: continuous batching on GPUs, with a cache of prefixes."""

from __future__ import annotations

from egm_core.servers.dialect import Asked, Dialect, Fields, schema_format
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start


def fields(request: Asked) -> Fields:
    """Give all that SGLang would else take from the model's `generation_config.json`; the regex stands by itself."""
    found: Fields = {
        "top_k": request.sampling.top_k or -1,
        "repetition_penalty": request.sampling.repetition_penalty,
        "min_p": 0.0,
        "skip_special_tokens": False,
        **schema_format(request),
    }
    if request.regex is not None:
        found["regex"] = request.regex
    if request.template:
        found["chat_template_kwargs"] = dict(request.template)
    return found


def words(order: Order) -> list[str]:
    """Spell out `sglang serve`, without a reasoning parser."""
    share = ["--mem-fraction-static", f"{order.memory_share:.2f}"] if order.memory_share else []
    named = ["--served-model-name", order.name] if order.name else []
    return ["serve", "--model-path", order.model, "--host", "127.0.0.1", "--port", str(order.port), *named,
            "--context-length", str(order.context), *share, *PRECISIONS[order.precision]]  # fmt: skip


PRECISIONS = {
    "auto": (),
    **{name: ("--dtype", name) for name in ("float32", "bfloat16", "float16")},
    "fp8": ("--quantization", "fp8"),
}
ENGINE = NamedServer(
    name="sglang",
    title="SGLang",
    dialect=Dialect("sglang", "sglang", "accepted", fields),
    start=Start(
        program="sglang",
        words=words,
        remedy="python3 -m venv ~/sglang && ~/sglang/bin/pip install sglang, and then"
        " engine_python:=~/sglang/bin/python",
        distribution="sglang",
        least=(0, 5, 5),
        precisions=PRECISIONS,
        share_of="total",
    ),
    verified="its own HTTP code",
    how="`make test-sglang`: the request and answer models of version 0.5.23",
    can=Abilities(
        health="`/health` 503 while it loads; then it generates a token itself, which takes a second where it is idle",
        pictures="data URLs, PNG or JPEG",
        grammars="`regex` at the top of the request, `response_format` json_schema; XGrammar",
        thinking="on and off by `chat_template_kwargs`; no budget without a reasoning parser",
        scores="`logprobs`: each token's own",
        cancels="closing the connection",
        no_memory="the scheduler dies, and the server with it",
    ),
    pins=(
        Pin("x86", "sglang 0.5.23", "`pip install sglang`", "wheel metadata: torch 2.14, transformers 5.19, CUDA 13"),
        Pin("Spark", "container of CUDA 13", "`lmsysorg/sglang:latest-cu130`",
            "https://mcpservers.org/agent-skills/nvidia/sglang-setup"),
        Pin("Thor", "sglang 0.5.5.post2", "container `nvcr.io/nvidia/sglang:26.01-py3`",
            "https://github.com/NVIDIA/skills/blob/main/skills/jetson-llm-serve/SKILL.md"),
    ),
    remarks=("What a request leaves out, SGLang takes from `generation_config.json`: the node sends all of it.",),
)  # fmt: skip
