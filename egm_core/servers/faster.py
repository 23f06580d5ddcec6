"""Settings that may make an engine faster, by name; none was measured here.

A setting is added to the command that starts the engine by hand, and the node asks it by `engine_url`. Only a precision
that `engine_precision` has is set by that. Another precision gives other scores than those that were calibrated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from egm_core.servers.named import NamedServer, Order

QUANTISED, DRAFT = "QUANTISED_MODEL", "DRAFT_MODEL"
_EAGLE = f"{DRAFT}, an EAGLE-3 draft that was trained for the model; none is known for EGM"
_VLLM = "https://docs.vllm.ai/en/stable/features/"
_SGLANG = "https://docs.sglang.io/advanced_features/"


@dataclass(frozen=True)
class Faster:
    """One setting of one engine: the words that are added to its command, and which model it loads, "" for the same."""

    engine: str
    name: str
    needs: str
    source: str
    words: tuple[str, ...] = ()
    model: str = ""

    def command(self, server: NamedServer, order: Order) -> list[str]:
        """Spell out the whole command."""
        if server.start is None:
            raise ValueError(f"{server.name} is not started by a command; choose another engine")
        chosen = replace(order, model=self.model or order.model)
        return [server.start.program, *server.start.words(chosen), *self.words]


def _quantised(engine: str, name: str, needs: str, source: str) -> Faster:
    return Faster(engine, name, f"{QUANTISED}: {needs}", source, model=QUANTISED)


FASTER = (
    Faster("vllm", "fp8", "a GPU from Ada Lovelace on; it halves the weights as it loads", f"{_VLLM}quantization/fp8/",
           ("--quantization", "fp8")),
    _quantised("vllm", "awq", "weights of four bits by AWQ, found by the folder's own configuration",
               f"{_VLLM}quantization/"),
    _quantised("vllm", "nvfp4", "NVFP4 by ModelOpt, and a Blackwell GPU (Thor and Spark are)",
               f"{_VLLM}quantization/modelopt/"),
    Faster("vllm", "n-gram", "answers that repeat words of the question", f"{_VLLM}speculative_decoding/",
           ("--speculative-config",
            json.dumps({"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}))),
    Faster("vllm", "EAGLE-3", _EAGLE, f"{_VLLM}speculative_decoding/",
           ("--speculative-config", json.dumps({"method": "eagle3", "model": DRAFT, "num_speculative_tokens": 3}))),
    Faster("sglang", "fp8", "a GPU from Ada Lovelace on", f"{_SGLANG}quantization.html", ("--quantization", "fp8")),
    _quantised("sglang", "awq", "weights of four bits by AWQ", f"{_SGLANG}quantization.html"),
    Faster("sglang", "nvfp4", f"{QUANTISED}: NVFP4 by ModelOpt, and a Blackwell GPU", f"{_SGLANG}quantization.html",
           ("--quantization", "modelopt_fp4"), QUANTISED),
    Faster("sglang", "n-gram", "CUDA; answers that repeat words of the question",
           f"{_SGLANG}speculative_decoding.html",
           ("--speculative-algorithm", "NGRAM", "--speculative-num-draft-tokens", "4")),
    Faster("sglang", "EAGLE-3", _EAGLE, f"{_SGLANG}speculative_decoding.html",
           ("--speculative-algorithm", "EAGLE3", "--speculative-draft-model-path", DRAFT,
            "--speculative-num-steps", "3", "--speculative-eagle-topk", "1", "--speculative-num-draft-tokens", "4")),
    _quantised("trtllm", "fp8, nvfp4", "by ModelOpt; NVFP4 needs a Blackwell GPU",
               "https://nvidia.github.io/TensorRT-LLM/features/quantization.html"),
    _quantised("edgellm", "fp8, nvfp4, awq", "by its own quantiser; Orin takes INT8 and INT4 only",
               "https://nvidia.github.io/TensorRT-Edge-LLM/"),
    Faster("llamacpp", "n-gram", "answers that repeat words of the question",
           "https://github.com/ggml-org/llama.cpp/blob/master/docs/speculative.md",
           ("--spec-type", "ngram-simple", "--draft-max", "16")),
)  # fmt: skip
