"""TensorRT-LLM's `trtllm-serve`: NVIDIA's engine for data centres and DGX Spark. It is not made for Jetson."""

from __future__ import annotations

from egm_core.servers.dialect import Asked, Dialect, Fields
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start


def fields(request: Asked) -> Fields:
    """Give the fields that its request model knows; any other one is refused there."""
    found: Fields = {
        # 0 is all tokens; greedy is asked for by 1.
        "top_k": 1 if request.sampling.temperature == 0 else request.sampling.top_k,
        "repetition_penalty": request.sampling.repetition_penalty,
        "skip_special_tokens": False,
    }
    if request.json_schema is not None:
        found["response_format"] = {"type": "json", "schema": dict(request.json_schema)}
    if request.regex is not None:
        found["response_format"] = {"type": "regex", "regex": request.regex}
    if request.template:
        found["chat_template_kwargs"] = dict(request.template)
    return found


def words(order: Order) -> list[str]:
    """Spell out `trtllm-serve`, without a reasoning parser: with one, a grammar forces a thought before the answer."""
    share = ["--kv_cache_free_gpu_memory_fraction", f"{order.memory_share:.2f}"] if order.memory_share else []
    return ["serve", order.model, "--host", "127.0.0.1", "--port", str(order.port), "--max_seq_len", str(order.context),
            *share]  # fmt: skip


ENGINE = NamedServer(
    name="trtllm",
    title="TensorRT-LLM",
    dialect=Dialect("trtllm", "tensorrt_llm", "accepted", fields),
    start=Start(
        program="trtllm-serve",
        words=words,
        remedy="run the node's launch in NVIDIA's container nvcr.io/nvidia/tensorrt-llm/release, or start the server"
        " there and name it with engine_url",
        distribution="tensorrt_llm",
        least=(1, 2),
        share_of="rest",
    ),
    verified="read",
    how="`tensorrt_llm/serve/openai_protocol.py` and `commands/serve.py`",
    can=Abilities(
        health="`/health` refuses connections until the model is loaded, then 200",
        pictures="data URLs, PNG or JPEG; Qwen3-VL yes, InternVL3 no",
        grammars="`response_format` of the types json and regex, if its configuration has"
        " `guided_decoding_backend: xgrammar`; with a reasoning parser a thought is forced first",
        thinking="on and off by `chat_template_kwargs`; a budget by `thinking_token_budget`",
        scores="`logprobs`: each token's own, where it runs on PyTorch",
        cancels="closing the connection, which it polls for once a second",
        no_memory="dies at the start",
    ),
    pins=(
        Pin("x86", "tensorrt-llm 1.2.1", "container `nvcr.io/nvidia/tensorrt-llm/release:1.2.1`",
            "wheel metadata: torch 2.9, transformers 4.57"),
        Pin("Spark", "tensorrt-llm 1.2.1", "container `nvcr.io/nvidia/tensorrt-llm/release:1.2.1` (arm64)",
            "https://github.com/NVIDIA/TensorRT-LLM"),
    ),
    remarks=(
        "Its environment fits neither vLLM's nor a current transformers'.",
        "Switch off `kv_cache_config.enable_block_reuse` where images change and answers do not.",
        "Jetson is not on its road map (https://github.com/NVIDIA/TensorRT-LLM/issues/3344): see edgellm.",
    ),
)  # fmt: skip
