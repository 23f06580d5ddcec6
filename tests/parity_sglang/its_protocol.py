"""Reads chat requests with SGLang's own request models, and writes answers with its own answer models.

    SGLANG_PYTHON its_protocol.py < REQUESTS

REQUESTS are JSON lines, a body each. For each it prints one line of JSON: the fields that the models do not know, and
what becomes of it as sampling parameters; then one with the events of an answer. Only the package's `__init__` is
passed by, which loads torch and kernels.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from pathlib import Path

# What a Qwen3-VL checkpoint says, and what a request has to override.
GENERATION = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05, "min_p": 0.1}


def protocol() -> types.ModuleType:
    """Import the models alone."""
    found = importlib.util.find_spec("sglang")
    assert found is not None and found.submodule_search_locations
    package = types.ModuleType("sglang")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["sglang"] = package
    return importlib.import_module("sglang.srt.entrypoints.openai.protocol")


def events(models: types.ModuleType) -> list[str]:
    """Write the events of an answer of two tokens."""
    told = []
    for text, logprob in (("ab", -0.5), ("c", -1.5)):
        token = models.ChatCompletionTokenLogprob(
            token=text, bytes=list(text.encode()), logprob=logprob, top_logprobs=[]
        )
        choice = models.ChatCompletionResponseStreamChoice(
            index=0,
            delta=models.DeltaMessage(content=text),
            logprobs=models.ChoiceLogprobs(content=[token]),
            finish_reason=None,
        )
        told.append(choice)
    told.append(models.ChatCompletionResponseStreamChoice(index=0, delta=models.DeltaMessage(), finish_reason="stop"))
    return [
        models.ChatCompletionStreamResponse(id="1", created=1, model="m", choices=[choice]).model_dump_json()
        for choice in told
    ]


def main() -> None:
    """Read, judge and write."""
    models = protocol()
    for line in sys.stdin:
        body = json.loads(line)
        unknown = sorted(set(body) - set(models.ChatCompletionRequest.model_fields))
        request = models.ChatCompletionRequest(**body)
        sampling = request.to_sampling_params(stop=[], model_generation_config=GENERATION)
        chat = {"kwargs": request.chat_template_kwargs, "logprobs": request.logprobs, "stream": request.stream}
        print(json.dumps({"unknown": unknown, "sampling": sampling, "chat": chat}))
    print(json.dumps({"events": events(models), "owner": models.ModelCard(id="m").owned_by}))
    fields = Path(sys.modules["sglang"].__path__[0]) / "srt" / "arg_groups" / "fields"
    print(json.dumps({"options": "\n".join(file.read_text() for file in sorted(fields.glob("*.py")))}))


if __name__ == "__main__":
    main()
