"""llama.cpp's `llama-server`: a model in one GGUF file, on a GPU or on a laptop's processor."""

from __future__ import annotations

from functools import partial

from egm_core.servers.dialect import Asked, Dialect, Fields, no_regex, schema_format
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start


def fields(request: Asked) -> Fields:
    """Give the server's own names for sampling; without them its defaults hold, which cut off rare tokens."""
    found: Fields = {
        "top_k": request.sampling.top_k,
        "min_p": 0.0,
        "repeat_penalty": request.sampling.repetition_penalty,
        **schema_format(request),
    }
    if request.template:
        found["chat_template_kwargs"] = dict(request.template)
    return found


def words(order: Order) -> list[str]:
    """Spell out `llama-server`: a file is loaded, a hub name fetched; thoughts stay in the text."""
    source = ["--model", order.model] if order.model.endswith(".gguf") else ["--hf-repo", order.model]
    named = ["--alias", order.name] if order.name else []
    return [*source, "--host", "127.0.0.1", "--port", str(order.port), *named, "--jinja", "--special",
            "--reasoning-format", "none", "--ctx-size", "16384", "--parallel", "2"]  # fmt: skip


ENGINE = NamedServer(
    name="llamacpp",
    title="llama.cpp",
    dialect=Dialect("llamacpp", "llamacpp", "none", fields, refusal=partial(no_regex, "llamacpp")),
    start=Start(
        program="llama-server",
        words=words,
        remedy="build it from https://github.com/ggml-org/llama.cpp, or install a release, so that llama-server is on"
        " the PATH",
        loads="gguf",
        gpu=False,
    ),
    verified="read",
    how="https://github.com/ggml-org/llama.cpp/tree/master/tools/server; the client with a scripted server",
    can=Abilities(
        health="`/health` 503 while it loads, then 200",
        pictures="data URLs, PNG or JPEG, if the model's `mmproj` file is there",
        grammars="`response_format` json_schema; no regular expressions, which are refused",
        thinking="on and off by `chat_template_kwargs`; a budget by `--reasoning-budget` at the start",
        scores="`logprobs`: each token's own",
        cancels="closing the connection",
        no_memory="dies at the start; on a GPU it leaves layers to the processor",
    ),
    pins=(
        Pin("laptop", "any build of 2026", "a release of the project, or `brew install llama.cpp`",
            "https://github.com/ggml-org/llama.cpp"),
        Pin("Orin", "any build of 2026 with CUDA", "built on the device", "https://github.com/ggml-org/llama.cpp"),
    ),
    remarks=(
        "`model` is a `.gguf` file, with `mmproj` beside it named by `LLAMA_ARG_MMPROJ`, or a hub name with a"
        " quantisation, such as `ggml-org/NAME-GGUF:Q8_0`. `family` must be told where the name does not tell it.",
        "A quantised model's scores are not those of the model that was calibrated.",
    ),
)  # fmt: skip
