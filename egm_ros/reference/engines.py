"""The reference page of the engines by name, made from the file of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from egm_core.servers.faster import FASTER
from egm_core.servers.known import SERVERS
from egm_core.servers.named import NamedServer, Order
from egm_ros.reference.markdown import code, page, section, table

INTRODUCTION = """
`engine:=NAME` starts an engine and watches it: a parameter of the grounding node and of the launch files. `egm ground`,
`egm evaluate` and `egm curate` take `--engine NAME`, and end it with the command. `egm doctor` says which are here, and
what the others lack.

*Verified how* says what the words of a row rest on:

| Verified how | Meaning |
| --- | --- |
| run here | The whole engine answered our questions in a test. |
| its own HTTP code | Its own server ran around a scripted model, or its own request models read our requests. |
| read | From its documentation or its source. Nothing of it was run. |

No engine was run on a GPU, on a Jetson or on a Spark for this page."""
SPEED = """
**None of these was measured.** Start the engine by the command, and name it with `engine_url`. `fp8` of vLLM and SGLang
is also `engine_precision:=fp8`. Another precision gives other scores than those that were calibrated. `egm evaluate`
tells what it costs in right boxes, `egm bench` what it saves. Speculation leaves greedy answers as they are, but for
rounding."""
ORDER = Order("MODEL", 8000, "NAME", memory_share=0.5)


def engines() -> str:
    """Make the page of all engines."""
    return page("Engines by name", INTRODUCTION.strip(), summary(), *map(one, SERVERS.values()), faster(), pins())


def summary() -> str:
    """Make the table of all engines, a row each."""
    rows = (
        (
            code(server.name),
            server.title,
            server.verified,
            server.how,
            {"enforced": "enforced", "accepted": "accepted", "none": "refused"}[server.dialect.grammar]
            if server.start
            else "",
            _needs(server),
        )
        for server in SERVERS.values()
    )
    head = ("Engine", "What it is", "Verified how", "By what", "Regular expressions", "Needs")
    return section("Overview", table(head, rows))


def one(server: NamedServer) -> str:
    """Make the section of one engine: its command, what it can, and what to look out for."""
    can = server.can
    rows = (
        ("health", can.health),
        ("images", can.pictures),
        ("grammars", can.grammars),
        ("thinking", can.thinking),
        ("log-probabilities", can.scores),
        ("what cancels", can.cancels),
        ("out of memory", can.no_memory),
        ("`engine_precision`", ", ".join(server.start.precisions) if server.start else ""),
    )
    remarks = "\n".join(f"- {remark}" for remark in server.remarks)
    parts = [*_command(server), table(("", "What it does"), (row for row in rows if row[1])), remarks]
    return section(code(server.name), "\n\n".join(filter(None, parts)))


def faster() -> str:
    """Make the table of settings for speed, each with its whole command."""
    rows = (
        (code(each.engine), each.name, code(_shown(each.command(SERVERS[each.engine], ORDER))), each.needs, each.source)
        for each in FASTER
    )
    return section(
        "Settings for speed", f"{SPEED.strip()}\n\n{table(('Engine', 'Setting', 'Command', 'Needs', 'From'), rows)}"
    )


def pins() -> str:
    """Make the table of versions for each platform."""
    rows = sorted(
        (pin.platform, code(server.name), pin.version, pin.install, pin.source)
        for server in SERVERS.values()
        for pin in server.pins
    )
    return section("Versions for each platform", table(("Platform", "Engine", "Version", "Install", "From"), rows))


def _command(server: NamedServer) -> Iterator[str]:
    """Show how the engine is started."""
    start = server.start
    if start is None:
        return
    # Our own is run as a module, and known as a verb.
    words = [start.program, *start.words(ORDER)] if start.program else ["egm serve", *start.words(ORDER)[2:]]
    shown = _shown(words)
    told = "".join(f"{name}={value} " for name, value in start.environment(ORDER).items())
    yield f"```\n{told}{shown}\n```"
    yield f"To get it: {start.remedy}."


def _shown(words: Iterable[str]) -> str:
    return " ".join(f"'{word}'" if "{" in word else word for word in words)


def _needs(server: NamedServer) -> str:
    start = server.start
    if start is None:
        return "a server that runs"
    loads = {"folder": "model folder or hub name", "gguf": "`.gguf` file or hub name", "name": "name in its store"}
    return f"{'an NVIDIA GPU, ' if start.gpu else ''}{loads[start.loads]}"
