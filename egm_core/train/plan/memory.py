"""Memory that a training run takes on each GPU: an estimate from the model's real shapes, made without a GPU.

Counted are the tensors that are known to be there: weights, gradients, Adam's moments, what the sharding gathers,
activations under gradient checkpointing, pictures, the reference model, and the rollout's weights and keys and
values. Logits count for verl only: TRL never holds them whole (it projects and scores in tiles). `USABLE` leaves
room for the CUDA context, the libraries' buffers and fragmentation. The figures were never compared with a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.train.plan.architectures import Picture, Sizes

GIB = 2**30
USABLE = 0.92
FLOAT, HALF, ADAM = 4, 2, 8
# A batch of pixel values waits while the one before it is computed.
PREFETCHED = 2
# vLLM answers at most so many sequences together unless told otherwise.
SEQUENCES = 256
LINEAR_ATTENTION = ("in_proj_qkv", "in_proj_z", "out_proj")
LORA_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", *LINEAR_ATTENTION)


@dataclass(frozen=True)
class Rollout:
    """How an RL step gets its completions: `engine` is transformers, colocate or server, see `rl`.

    `completions` are those of one generation on one GPU whose pictures stay there, `share` the part of the GPU that
    a colocated vLLM takes; with `sleep`, vLLM gives it back while the policy is updated, and with `offload`, the
    policy goes to the CPU meanwhile (verl). `reference` tells that a second copy of the weights gives the KL term.
    """

    engine: str
    completions: int
    share: float = 0.3
    sleep: bool = False
    tensor_parallel: int = 1
    reference: bool = False
    offload: bool = False


@dataclass(frozen=True)
class Load:
    """What a run puts on each of its GPUs; `batch` is sequences per forward pass, tokens are per sequence.

    `whole_logits` tells that the engine holds a pass's logits whole.
    """

    sizes: Sizes
    picture: Picture
    gpus: int
    sharding: str
    batch: int
    prompt_tokens: int
    completion_tokens: int
    frozen_vision: bool = True
    lora_rank: int = 0
    weight_bytes: int = FLOAT
    checkpointing: bool = True
    whole_logits: bool = False
    rollout: Rollout | None = None


@dataclass(frozen=True)
class Need:
    """One line of the estimate, in bytes on each GPU; `phase` is always, update or rollout."""

    what: str
    bytes: float
    phase: str = "always"


def trained_parameters(load: Load) -> int:
    """Count the parameters that get gradients: all, all but the vision encoder, or the adapters."""
    s = load.sizes
    if load.lora_rank:
        return sum(load.lora_rank * (a + b) for name, a, b in s.linear if name in LORA_LAYERS)
    return s.parameters - (s.vision if load.frozen_vision else 0)


def key_value_bytes(sizes: Sizes) -> int:
    """Bytes of keys and values that one token of context takes, in half precision.

    Layers of linear attention keep a state of one size for any context, which is not counted.
    """
    return 2 * (sizes.depth - sizes.linear_depth) * sizes.kv_heads * sizes.head_dim * HALF


def needs(load: Load, gpu_bytes: float) -> list[Need]:
    """List what each GPU has to hold, the largest items of a step included."""
    s, trained = load.sizes, trained_parameters(load)
    whole = load.gpus if load.sharding in ("zero3", "fsdp2") else 1
    states = load.gpus if load.sharding != "none" else 1
    tokens = load.batch * (load.prompt_tokens + load.completion_tokens)
    states_phase = "update" if load.rollout and load.rollout.offload else "always"
    # DistributedDataParallel keeps its buckets beside the gradients.
    buckets = 2 if load.gpus > 1 and load.sharding == "none" else 1
    dtype = "float32" if load.weight_bytes == FLOAT else "bfloat16"
    weights = (s.parameters * load.weight_bytes + (trained * FLOAT if load.lora_rank else 0)) / whole
    lines = [
        Need(f"weights ({dtype})", weights, states_phase),
        Need("gradients", trained * FLOAT / states * buckets, states_phase),
        Need("optimiser (Adam, float32)", trained * ADAM / states, states_phase),
        Need("half-precision copies in use", _copies(load, trained, whole), "update"),
        Need("activations", tokens * _activations(load), "update"),
        Need("vision encoder's activations", load.batch * _vision(load), "update"),
    ]
    if load.whole_logits:
        # Half-precision logits, their gradient, and the entropy's intermediate.
        lines.append(Need("logits", 3 * HALF * tokens * s.vocabulary, "update"))
    if load.rollout is None:
        return [*lines, Need("pictures", PREFETCHED * load.batch * load.picture.bytes)]
    return lines + _rollout(load, load.rollout, whole, gpu_bytes)


def peak(lines: list[Need]) -> float:
    """Give the most bytes that are held at one time: what always is, and the larger of the two phases."""
    by = {phase: sum(n.bytes for n in lines if n.phase == phase) for phase in ("always", "update", "rollout")}
    return by["always"] + max(by["update"], by["rollout"])


def _copies(load: Load, trained: int, whole: int) -> float:
    if whole > 1:
        # Two blocks, one of them ahead, and the embedding (and output layer), which stay through the pass.
        return HALF * (2 * load.sizes.block + 2 * load.sizes.embedding)
    # autocast keeps a cast copy of every trained weight through the forward pass.
    return HALF * trained if load.weight_bytes == FLOAT else 0.0


def _activations(load: Load) -> float:
    """Bytes a token: the residual stream at every block's entry, and one block's inside while it is recomputed."""
    s = load.sizes
    inside = HALF * (2 * s.heads * s.head_dim + 4 * s.kv_heads * s.head_dim + 4 * s.feed_forward) + FLOAT * 6 * s.width
    if not load.checkpointing:
        return s.depth * (inside + FLOAT * s.width)
    return s.depth * FLOAT * s.width + 2 * inside


def _vision(load: Load) -> float:
    """Bytes a picture: one block's inside, and every block's entry where the encoder is trained."""
    s = load.sizes
    inside = HALF * (4 * s.vision_width + 2 * s.vision_feed_forward) + FLOAT * 4 * s.vision_width
    trained = not load.frozen_vision and not load.lora_rank
    return load.picture.patches * (2 * inside + s.vision_depth * FLOAT * s.vision_width if trained else inside)


def _rollout(load: Load, rollout: Rollout, whole: int, gpu_bytes: float) -> list[Need]:
    s, count = load.sizes, rollout.completions
    sequence = (load.prompt_tokens + load.completion_tokens) * key_value_bytes(s)
    lines = [Need(f"pictures of {count} completions, held on every rank", count * load.picture.bytes)]
    if rollout.reference:
        phase = "update" if rollout.offload else "always"
        lines.append(Need("reference model", s.parameters * load.weight_bytes / whole, phase))
    if rollout.engine == "transformers":
        lines.append(Need(f"keys and values of {count} sequences", count * sequence, "rollout"))
    if rollout.engine == "colocate":
        phase = "rollout" if rollout.sleep else "always"
        lines.append(Need(f"vLLM's share, {rollout.share:.0%}", rollout.share * gpu_bytes, phase))
    return lines


def vllm_sequences(load: Load, gpu_bytes: float) -> int | None:
    """How many whole sequences a colocated vLLM can hold at a time; None where there is none such."""
    rollout = load.rollout
    if rollout is None or rollout.engine != "colocate":
        return None
    weights = load.sizes.parameters * HALF / rollout.tensor_parallel
    # Compiled graphs and the profile run's activations.
    left = rollout.share * gpu_bytes - weights - 1.5 * GIB
    sequence = (load.prompt_tokens + load.completion_tokens) * key_value_bytes(load.sizes) / rollout.tensor_parallel
    return max(0, min(SEQUENCES, int(left / sequence)))
