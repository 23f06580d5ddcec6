"""Milliseconds a token of Qwen3-VL at random weights: eager, static cache, CUDA graph, against the memory's floor.

    python tools/gpu/latency.py --out FOLDER [--sizes 2b 4b 8b] [--tokens 100] [--dry-run]

Speed doesn't depend on what the weights say, so no checkpoint is needed. A token reads every weight of the decoder and
of the output layer once, and the keys and values until then: those bytes over the bandwidth that this run measures are
the floor. Writes latency.json and latency.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from egm_core.arguments import COUNT
from egm_core.torchvision_shim import install_schemas
from egm_core.train.plan.architectures import architecture

install_schemas()

import transformers  # noqa: E402 - what it imports needs the schemas
from transformers import AutoModelForImageTextToText, DynamicCache, StaticCache  # noqa: E402

SIZES = {"2b": "Qwen/Qwen3-VL-2B-Thinking", "4b": "Qwen/Qwen3-VL-4B-Thinking", "8b": "Qwen/Qwen3-VL-8B-Thinking"}
# A camera's 640x480 in patches of 16, and the words around it.
GRID = (30, 40)
WORDS = 60
WARM = 3


@dataclass(frozen=True)
class Latency:
    """One model's figures in milliseconds; those of a token are medians over the tokens, None where none was taken."""

    model: str
    prompt_tokens: int
    gigabytes_a_token: float
    prefill: float
    eager: float
    static: float
    graph: float | None
    floor: float
    graph_says: str
    tokens_agree: bool


class Decoder:
    """One model at random weights, its prompt, and a step that makes the next token in place."""

    def __init__(self, config: Any, device: torch.device, dtype: torch.dtype, room: int, grid: tuple[int, int]) -> None:
        self.device = device
        with torch.device(device):
            self.model: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype).eval()
        merge = config.vision_config.spatial_merge_size**2
        vision = config.vision_config
        pictured = grid[0] * grid[1] // merge
        self.length = pictured + WORDS
        ids = torch.randint(10, 1000, (1, self.length), device=device)
        ids[0, 10 : 10 + pictured] = config.image_token_id
        self.prompt = {
            "input_ids": ids,
            "pixel_values": torch.randn(
                grid[0] * grid[1], 3 * vision.temporal_patch_size * vision.patch_size**2, device=device, dtype=dtype
            ),
            "image_grid_thw": torch.tensor([[1, *grid]], device=device),
            "mm_token_type_ids": (ids == config.image_token_id).int(),
        }
        self.room = self.length + room
        self.token = torch.zeros(1, 1, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)
        self.cache: Any = None

    def prefill(self, static: bool) -> None:
        """Read the prompt into a new cache, and set the first token and its position."""
        config = self.model.config.text_config
        self.cache = StaticCache(config=config, max_cache_len=self.room) if static else DynamicCache(config=config)
        logits = self.model(**self.prompt, past_key_values=self.cache, use_cache=True, logits_to_keep=1).logits
        self.token.copy_(logits[:, -1:].argmax(-1))
        self.position.fill_(self.length)

    def step(self, static: bool) -> None:
        """Make the next token; with a static cache, everything stays where it lies, as a graph asks for."""
        decoder = self.model.model.language_model
        mask = None
        if static:
            mask = (torch.arange(self.room, device=self.device) <= self.position)[None, None, None]
        hidden = decoder(
            inputs_embeds=decoder.embed_tokens(self.token),
            attention_mask=mask,
            position_ids=self.position.view(1, 1, 1).expand(4, 1, 1),
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.token.copy_(self.model.lm_head(hidden).argmax(-1))
        self.position.add_(1)

    def bytes_a_token(self) -> int:
        """Count what a token must read: the decoder's layers, the output layer, the prompt's keys and values."""
        layers = sum(p.numel() * p.element_size() for p in self.model.model.language_model.layers.parameters())
        head = self.model.lm_head.weight
        text = self.model.config.text_config
        kept = 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim * self.length
        return int(layers + (head.numel() + kept) * head.element_size())


def milliseconds(action: Callable[[], object], device: torch.device) -> float:
    """Time one call, to the end of what it has set going."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - begun)


def bandwidth(device: torch.device, mebibytes: int) -> float:
    """Measure how many bytes a second the memory gives: the better of a copy (both ways) and of a sum (one way)."""
    data = torch.zeros(mebibytes << 18, dtype=torch.float32, device=device)
    other = torch.empty_like(data)
    best = 0.0
    ways: tuple[tuple[Callable[[], object], int], ...] = ((lambda: other.copy_(data), 2), (lambda: data.sum(), 1))
    for action, passes in ways:
        taken = [milliseconds(action, device) for _ in range(7)]
        best = max(best, passes * data.numel() * 4 / min(taken[2:]) * 1000)
    return best


def graphed(decoder: Decoder) -> Callable[[], None]:
    """Capture a step as a CUDA graph; its replay makes the next token."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            decoder.step(static=True)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        decoder.step(static=True)
    replay: Callable[[], None] = graph.replay
    return replay


@torch.inference_mode()
def measure(name: str, config: Any, device: torch.device, dtype: torch.dtype, tokens: int, speed: float) -> Latency:
    """Measure one model."""
    grid = GRID if device.type == "cuda" else (4, 4)
    decoder = Decoder(config, device, dtype, tokens + 2 * WARM + 2, grid)

    said: dict[str, list[int]] = {}

    def each(way: str, step: Callable[[], object]) -> float:
        taken = []
        said[way] = [int(decoder.token)]
        for _ in range(WARM + tokens):
            taken.append(milliseconds(step, device))
            said[way].append(int(decoder.token))
        return statistics.median(taken[WARM:])

    decoder.prefill(static=False)
    prefill = min(milliseconds(lambda: decoder.prefill(static=False), device) for _ in range(3))
    eager = each("eager", lambda: decoder.step(static=False))
    decoder.prefill(static=True)
    static = each("static", lambda: decoder.step(static=True))
    graph, says = None, "no CUDA: not taken"
    if device.type == "cuda":
        decoder.prefill(static=True)
        try:
            graph, says = each("graph", graphed(decoder)), "taken"
        except RuntimeError as error:
            says = f"failed: {str(error).splitlines()[0]}"
    size = decoder.bytes_a_token()
    agree = said["eager"] == said["static"]
    return Latency(name, decoder.length, size / 1e9, prefill, eager, static, graph, 1000 * size / speed, says, agree)


def table(results: list[Latency], device: str, speed: float) -> str:
    """Write the figures as Markdown."""
    lines = [
        f"{device}, {speed / 1e9:.0f} GB/s measured, torch {torch.__version__}, transformers "
        f"{transformers.__version__}; one question at a time, milliseconds",
        "",
        "| | prompt, tokens | prefill | token, eager | static cache | CUDA graph | floor | graph / floor |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in results:
        graph, ratio = ("-", "-") if r.graph is None else (f"{r.graph:.2f}", f"{r.graph / r.floor:.2f}")
        cells = [r.model, str(r.prompt_tokens), f"{r.prefill:.1f}", f"{r.eager:.2f}", f"{r.static:.2f}", graph]
        lines.append("| " + " | ".join([*cells, f"{r.floor:.2f}", ratio]) + " |")
    return "\n".join([*lines, "", *(f"{r.model}: CUDA graph {r.graph_says}" for r in results)])


def small() -> Any:
    """Give the 2B's configuration cut down to what a CPU builds at once."""
    config = architecture(SIZES["2b"])
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers, text.vocab_size = 64, 128, 2, 2048
    config.image_token_id, config.video_token_id = 2001, 2002
    config.vision_start_token_id, config.vision_end_token_id = 2003, 2004
    text.num_attention_heads, text.num_key_value_heads, text.head_dim = 4, 2, 16
    text.rope_parameters = {**text.rope_parameters, "mrope_section": [4, 2, 2]}
    vision.hidden_size, vision.intermediate_size, vision.depth, vision.num_heads = 32, 64, 2, 2
    vision.out_hidden_size, vision.deepstack_visual_indexes, vision.num_position_embeddings = 64, [0], 16
    return config


def main() -> None:
    """Read the command line, measure, and write what was found after each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for latency.json and latency.md")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES), help="models to measure")
    parser.add_argument("--tokens", type=COUNT, default=100, help="tokens to time for each way")
    parser.add_argument("--dry-run", action="store_true", help="a small shape on a CPU, five tokens")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        parser.error("torch finds no GPU; --dry-run tries the rest on a CPU")
    device = torch.device("cpu" if options.dry_run else "cuda")
    dtype = torch.float32 if options.dry_run else torch.bfloat16
    speed = bandwidth(device, 64 if options.dry_run else 4096)
    named = "CPU (dry run)" if options.dry_run else torch.cuda.get_device_name()
    wanted = {"small": small()} if options.dry_run else {name: architecture(SIZES[name]) for name in options.sizes}
    results = []
    options.out.mkdir(parents=True, exist_ok=True)
    for name, config in wanted.items():
        results.append(measure(name, config, device, dtype, 5 if options.dry_run else options.tokens, speed))
        gc.collect()
        torch.cuda.empty_cache()
        about = {"device": named, "bytes_a_second": speed, "torch": torch.__version__}
        (options.out / "latency.json").write_text(
            json.dumps({**about, "models": [asdict(r) for r in results]}, indent=1)
        )
        (options.out / "latency.md").write_text(table(results, named, speed) + "\n")
    print((options.out / "latency.md").read_text())


if __name__ == "__main__":
    main()
