"""This package's own server, `egm serve`: transformers behind the OpenAI chat API. No GPU is needed."""

from __future__ import annotations

from egm_core.servers.dialect import Asked, Dialect, Fields
from egm_core.servers.named import Abilities, NamedServer, Order, Pin, Start
from egm_core.servers.vllm import fields as vllm_fields


def fields(request: Asked) -> Fields:
    """Ask as of vLLM; 0 is no limit of the tokens to choose from."""
    return {**vllm_fields(request), "top_k": request.sampling.top_k}


def words(order: Order) -> list[str]:
    """Spell out the arguments of `python -m egm_core.serve`."""
    named = ["--served-model-name", order.name] if order.name else []
    kept = PRECISIONS[order.precision]
    return ["-m", "egm_core.serve", "--model", order.model, "--port", str(order.port), *named, *kept,
            "--exit-with-parent"]  # fmt: skip


PRECISIONS = {"auto": (), **{name: ("--dtype", name) for name in ("float32", "bfloat16", "float16")}}
ENGINE = NamedServer(
    name="egm",
    title="egm serve",
    dialect=Dialect("egm", "egm_core", "enforced", fields),
    # The interpreter itself is the program: `engine_python`, or the node's own.
    start=Start(
        program="",
        words=words,
        remedy="python3 -m venv ~/egm_engine && ~/egm_engine/bin/pip install 'CHECKOUT_OF_EGM_ROS[engine]', and then"
        " engine_python:=~/egm_engine/bin/python",
        gpu=False,
        precisions=PRECISIONS,
    ),
    verified="run here",
    how="tests/core/engines/test_contract.py, tests/core/serve",
    can=Abilities(
        health="`/health` 503 with state starting or failed, then 200",
        pictures="data URLs, PNG or JPEG",
        grammars="`structured_outputs.regex`, `response_format` json_schema; enforced by llguidance",
        thinking="on and off by `chat_template_kwargs`; off by the grammar as well; no budget",
        scores="`logprobs`: each token's own",
        cancels="closing the connection, between two tokens",
        no_memory="500 with the words of torch; the process lives",
    ),
    pins=(
        Pin("laptop", "this package", "`pip install '.[engine]'`", "pyproject.toml"),
        Pin("x86", "this package", "`pip install '.[engine]'`", "pyproject.toml"),
    ),
)
