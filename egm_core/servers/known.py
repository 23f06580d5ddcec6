"""The table of engines by name, and how a server is recognised by what it says of itself."""

from __future__ import annotations

from egm_core.servers import edgellm, egm, llamacpp, ollama, sglang, trtllm, url, vllm
from egm_core.servers.dialect import Dialect
from egm_core.servers.named import NamedServer

SERVERS: dict[str, NamedServer] = {
    room.ENGINE.name: room.ENGINE for room in (egm, vllm, sglang, trtllm, edgellm, llamacpp, ollama, url)
}
# A plain server is the last resort, and goes first.
DIALECTS: dict[str, Dialect] = {server.dialect.name: server.dialect for server in (url.ENGINE, *SERVERS.values())}
OPENAI = url.ENGINE.dialect


def dialect_of(owner: str) -> Dialect:
    """Recognise a server by `owned_by` in its model list; plain OpenAI where nobody is known by it."""
    owner = owner.lower().replace("-", "_")
    for dialect in DIALECTS.values():
        if dialect.owner and dialect.owner.replace("-", "_") == owner:
            return dialect
    return OPENAI
