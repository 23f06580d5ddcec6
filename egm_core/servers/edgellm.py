"""TensorRT Edge-LLM's `tensorrt-edgellm-serve`: NVIDIA's engine for Jetson Thor, Jetson Orin and DGX Spark."""

from __future__ import annotations

from egm_core.servers.dialect import Asked, Dialect, Fields
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start

# As many as its request model allows. It tells a token's probability only where the token is among them.
MOST_LOGPROBS = 50
# What stands for no limit: https://nvidia.github.io/TensorRT-Edge-LLM/0.11.0/cpp_api/sampler/sampling.html
NEARLY_ALL = 0.9999


def fields(request: Asked) -> Fields:
    """Give the fields that its request model knows; any other one is refused there."""
    found: Fields = {
        # 0 is no limit here as there; greedy is asked for by the temperature alone.
        "top_k": request.sampling.top_k,
        # Without it the server has the template forbid thoughts.
        "chat_template_kwargs": {"enable_thinking": thinks(request)},
    }
    drawn = request.sampling.temperature > 0
    if drawn and not request.sampling.top_k and request.sampling.top_p == 1.0:
        # Its sampler throws where neither limit is set.
        found["top_p"] = NEARLY_ALL
    if request.sampling.seed is not None and request.sampling.seed < 0:
        # It refuses what is below zero; the same 64 bits are another seed that is as good.
        found["seed"] = request.sampling.seed % 2**64
    if request.logprobs:
        found["top_logprobs"] = MOST_LOGPROBS
    if request.json_schema is not None:
        found["guided_decoding"] = {"json_schema": dict(request.json_schema)}
    if request.regex is not None:
        found["guided_decoding"] = {"regex": request.regex}
    return found


def thinks(request: Asked) -> bool:
    """Tell what the template is told of thoughts; the server knows its switch by one name only."""
    told = [request.template[name] for name in ("enable_thinking", "thinking") if name in request.template]
    return bool(told[0]) if told else request.reasoning


def refusal(request: Asked) -> str:
    """Refuse a repetition penalty, which the server would drop with a line in its own log."""
    if request.sampling.repetition_penalty == 1.0:
        return ""
    return "edgellm knows no repetition penalty; leave it at 1"


def words(order: Order) -> list[str]:
    """Spell out the command: thoughts stay in the text, and the amodal question does not wait for the visible one."""
    named = ["--served-model-name", order.name] if order.name else []
    return [order.model, "--host", "127.0.0.1", "--port", str(order.port), *named, "--reasoning-parser", "none",
            "--max-batch-size", "2", "--enable-in-flight-batching"]  # fmt: skip


MATRIX = "https://nvidia.github.io/TensorRT-Edge-LLM/0.11.1/user_guide/getting_started/support-matrix.html"
ENGINE = NamedServer(
    name="edgellm",
    title="TensorRT Edge-LLM",
    dialect=Dialect("edgellm", "tensorrt-edgellm", "accepted", fields, refusal=refusal),
    start=Start(
        program="tensorrt-edgellm-serve",
        words=words,
        remedy="python3 -m venv ~/edgellm && ~/edgellm/bin/pip install 'tensorrt-edgellm[server]', and then"
        " engine_python:=~/edgellm/bin/python",
        distribution="tensorrt_edgellm",
        least=(0, 11),
    ),
    verified="its own HTTP code",
    how="`make test-edgellm`: the server of version 0.11.0 around a scripted model",
    can=Abilities(
        health="`/health` refuses connections while it builds and loads the model, then 200 with its queue",
        pictures="data URLs, PNG or JPEG",
        grammars="`guided_decoding`: regex or json_schema; `response_format` for JSON only",
        thinking="on and off by `chat_template_kwargs.enable_thinking`, off by default; no budget",
        scores="`logprobs`: a token's own only if it is one of the 50 likeliest, else null",
        cancels="closing the connection; between two tokens",
        no_memory="500, or dies at the start",
    ),
    pins=(
        Pin("Thor", "tensorrt-edgellm 0.11, JetPack 7.1 or 7.2", "`pip install 'tensorrt-edgellm[server]'`", MATRIX),
        Pin("Orin", "tensorrt-edgellm 0.11, JetPack 7.2; FP16, INT8 and INT4 only",
            "`pip install 'tensorrt-edgellm[server]'`", MATRIX),
        Pin("Spark", "tensorrt-edgellm 0.11", "`pip install 'tensorrt-edgellm[server]'`", MATRIX),
        Pin("x86", "tensorrt-edgellm 0.11, to develop only", "`pip install 'tensorrt-edgellm[server]'`", MATRIX),
    ),
    remarks=(
        "The first start builds the model for the machine, which takes minutes: raise `engine_start_timeout`.",
        "Without `--enable-in-flight-batching` it answers one question at a time: the amodal one waits.",
        "Its precision is that of the checkpoint.",
        "A stream that the runtime leaves early ends with finish_reason stop: an answer is whole only where it parses.",
    ),
)  # fmt: skip
