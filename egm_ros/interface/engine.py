"""The parameters of the grounding node that say which engine answers, and when its process is replaced."""

from __future__ import annotations

from egm_core.engines.pictures import FORMATS
from egm_core.families import FAMILIES
from egm_core.servers.known import DIALECTS, SERVERS
from egm_core.servers.named import PRECISIONS
from egm_ros.interface.parameter import ParameterSpec

ADAPTER = (
    "LoRA adapter that answers the {} queries: a folder that engine vllm loads beside the model, else the name that the"
    " server knows it by; empty: the model itself."
)
ENGINE_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "model",
        "egm_tiny",
        "Model to serve: a folder, the word egm_tiny for the embedded model, a hub name"
        " (with offline false), or the name that the server at engine_url knows it by.",
    ),
    ParameterSpec("amodal_model", "", "Model that answers the amodal queries; empty: the same one."),
    ParameterSpec("visible_adapter", "", ADAPTER.format("visible")),
    ParameterSpec("amodal_adapter", "", ADAPTER.format("amodal")),
    ParameterSpec(
        "family",
        "auto",
        "Prompts and answer format; auto takes them from the model's folder, or from its"
        " name where that is known (EGM, Qwen3-VL, Qwen3.5, InternVL3, InternVL3.5).",
        choices=("auto", *FAMILIES),
    ),
    ParameterSpec("offline", True, "Take weights from this machine only, and never ask a model hub."),
    ParameterSpec(
        "engine",
        "auto",
        "Engine by its name, which is started and watched: see docs/reference/engines.md. url connects to the server at"
        " engine_url. auto: url where that is given, engine_command where that is, else egm.",
        choices=("auto", *SERVERS),
    ),
    ParameterSpec(
        "engine_precision",
        "auto",
        "Number format that a started engine computes in; auto: the model's own.",
        choices=PRECISIONS,
    ),
    ParameterSpec(
        "engine_memory_share",
        0.0,
        "Part of the GPU's memory that a started engine may take; 0: of what is free now, most on a card of its own,"
        " four fifths where the GPU shares the robot's memory.",
        range=(0.0, 1.0),
    ),
    ParameterSpec(
        "engine_url",
        "",
        "OpenAI-compatible server to connect to, such as http://localhost:8000;"
        " empty: start a server as a child process.",
    ),
    ParameterSpec("amodal_engine_url", "", "Server for amodal_model; empty: engine_url."),
    ParameterSpec(
        "engine_command",
        "",
        "Command that starts the server, such as 'vllm serve {model} --port {port}'; empty: this package's own server.",
    ),
    ParameterSpec(
        "engine_python",
        "",
        "Interpreter of the environment that the started engine is installed in; empty: the node's for this package's"
        " own server, and the PATH for others.",
    ),
    ParameterSpec("engine_api_key_env", "OPENAI_API_KEY", "Environment variable that holds the server's API key."),
    ParameterSpec(
        "engine_key_in_clear",
        ("",),
        "Hosts that may have the API key without TLS; it goes otherwise over"
        " https or to this machine alone, and the log says where it does not go.",
    ),
    ParameterSpec(
        "engine_image_format",
        "jpeg",
        "How images go to the engine: jpeg (quality 95) takes a tenth of the time, png keeps every pixel.",
        choices=FORMATS,
    ),
    ParameterSpec("engine_dialect", "auto", "How the server takes grammars and images.", choices=("auto", *DIALECTS)),
    ParameterSpec(
        "engine_start_timeout",
        600.0,
        "How long a starting server may take until it is replaced.",
        range=(1.0, 7200.0),
        unit="s",
    ),
    ParameterSpec(
        "engine_health_timeout",
        10.0,
        "An engine that has answered no health poll for this long hangs, and its process is replaced.",
        range=(1.0, 600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "failure_limit",
        5,
        "Failures of the engine's own in a row (5xx, broken or empty streams) after which"
        " its process is replaced. As many answers in a row that cannot be read, or come later than"
        " query_timeout, make it degraded (WARN), and are no reason to replace it. 0: neither.",
        range=(0, 1000),
        live=True,
    ),
    ParameterSpec(
        "restart_limit",
        3,
        "Restarts of an engine's process within restart_window at most, whatever their"
        " reason; then one that lives is left alone as degraded, and one that died or hangs is started when"
        " the window allows. 0: never restarted.",
        range=(0, 1000),
        live=True,
    ),
    ParameterSpec(
        "restart_window",
        300.0,
        "The time within which restart_limit bounds the restarts.",
        range=(1.0, 86400.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "restart_backoff",
        1.0,
        "Pause before an engine is started anew; it doubles with every start up to"
        " 30 s, until one stays healthy for 30 s.",
        range=(0.1, 600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "free_on_deactivate",
        False,
        "Free the engine on deactivation and start it on activation; otherwise it stays loaded until cleanup.",
        live=True,
    ),
)
