"""`egm serve`: puts a model folder behind the OpenAI chat API.

Prints `egm serve: listening on http://HOST:PORT` once connections are taken (`--port 0` picks a free port);
/health answers 503 until the model is loaded. Beyond this
machine it listens only with a key, or `--without-key`. SIGTERM and SIGINT are how it ends: with exit status 0.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from egm_core import notes
from egm_core.arguments import CORES, COUNT, PIXELS, Parser, device, whole
from egm_core.console import attempt
from egm_core.engines.devices import DTYPES, check_here
from egm_core.engines.http.keys import is_loopback
from egm_core.models.folder import load_info, resolve
from egm_core.serve.app import create_app

if TYPE_CHECKING:
    from egm_core.engines.local import TransformersEngine

GRACE = 2


def main(arguments: list[str] | None = None, prog: str = "egm serve") -> int:
    """Serve until a signal ends it; gives the exit status."""
    own = parser(prog)
    options = own.parse_args(arguments)
    notes.begin(options)
    return attempt(lambda: _serve(options, own.name))


def _serve(options: argparse.Namespace, name: str) -> int:
    parent = os.getppid()
    path = resolve(options.model, offline=not options.online)
    info = load_info(path)
    check_here(options.device, options.dtype)
    key = os.environ.get(options.api_key_env, "") if options.api_key_env else ""
    problem = _open_door(options, key)
    if problem:
        raise ValueError(problem)
    budget = options.max_pixels or info.max_pixels

    def load() -> TransformersEngine:
        from egm_core.engines.local import TransformersEngine

        return TransformersEngine(
            path,
            device=options.device,
            dtype=options.dtype,
            max_pixels=budget,
            threads=options.threads,
            max_batch=options.max_batch,
        )

    app = create_app(
        load,
        options.served_model_name or info.name,
        options.max_tokens,
        options.max_queue,
        key,
        lambda image: info.fit(image, budget),
        str(path.absolute()),
    )
    config = uvicorn.Config(
        app, host=options.host, port=options.port, log_level=options.log_level, timeout_graceful_shutdown=GRACE
    )
    door = _bound(options.host, options.port)
    server = uvicorn.Server(config)

    def leave(*_: object) -> None:
        server.should_exit = True

    # For signals that come before uvicorn has its own handlers; and uvicorn repeats a signal once it has shut
    # down, which these make harmless.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    door.listen(128)
    if options.exit_with_parent:
        threading.Thread(target=_follow, args=(parent, server), daemon=True).start()
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"{name}: listening on http://{host}:{door.getsockname()[1]}", flush=True)
    server.run(sockets=[door])
    engine = app.state.service.engine
    if engine is not None and engine.lingers:
        # A thread in the middle of loading would be torn down by the interpreter's end, and abort the process.
        sys.stdout.flush()
        os._exit(0)
    return 0


def _bound(host: str, port: int) -> socket.socket:
    """Take an address to listen on; ValueError says why it cannot be had, in a line where uvicorn would say two."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            remedy = "is the port taken? Name another with --port, or 0 for a free one"
        elif error.errno == errno.EACCES:
            remedy = "ports below 1024 are the administrator's; name another with --port"
        else:
            remedy = "name an address of this machine with --host, such as 127.0.0.1"
        raise ValueError(f"cannot listen on {host}:{port} ({error.strerror or error}); {remedy}") from error
    return door


def _follow(parent: int, server: uvicorn.Server) -> None:
    """End the server when the process that started it is gone."""
    while os.getppid() == parent:
        time.sleep(0.25)
    server.should_exit = True
    time.sleep(GRACE + 3)
    os._exit(1)


def _open_door(options: argparse.Namespace, key: str) -> str:
    """Say why the server must not listen as it was told to; empty where it may."""
    if options.api_key_env and not key:
        return f"{options.api_key_env} is empty; put the API key into that environment variable"
    if not key and not options.without_key and not is_loopback(options.host):
        return (
            f"{options.host} can be reached from other machines: put a key into an environment variable and name it "
            "with --api-key-env, or say --without-key to serve everybody there"
        )
    return ""


def parser(prog: str = "egm serve") -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Put a model behind the OpenAI chat API, for nodes and programs on this or other machines.",
        example="--model models/EGM-8B --port 8000 --device cuda",
    )
    parser.add_argument("--model", default="egm_tiny", help="model folder, or egm_tiny for the embedded one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--api-key-env", default="", help="variable with the key that clients must send (default: no key)"
    )
    parser.add_argument("--without-key", action="store_true", help="listen beyond this machine without a key")
    parser.add_argument("--port", type=whole(0, 65535), default=8000, help="port to listen on; 0 picks a free one")
    parser.add_argument("--device", type=device, default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--dtype", choices=DTYPES, default="auto", help="number format; auto is float32 on a CPU")
    parser.add_argument("--max-pixels", type=PIXELS, help="pixel budget of an image (default: the model's own)")
    parser.add_argument("--max-tokens", type=whole(1, 1_000_000), default=4096, help="longest answer, in tokens")
    parser.add_argument("--max-queue", type=COUNT, default=32, help="requests under way; those beyond get 429")
    parser.add_argument("--max-batch", type=COUNT, default=8, help="requests answered together")
    parser.add_argument("--threads", type=CORES, help="torch's threads (default: torch decides)")
    parser.add_argument("--served-model-name", help="name that clients ask for (default: the model's own)")
    parser.add_argument("--online", action="store_true", help="allow a hub name, and download it")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when the starting process is gone")
    parser.add_argument(
        "--log-level", default="warning", choices=["error", "warning", "info", "debug"], help="the HTTP server's log"
    )
    notes.add_options(parser)
    return parser
