"""A server that runs already, at `engine_url`: which kind it is, its list of models says."""

from __future__ import annotations

from egm_core.servers.dialect import Dialect, schema_format
from egm_core.servers.named import Abilities, NamedServer

ENGINE = NamedServer(
    name="url",
    title="a server at `engine_url`",
    dialect=Dialect("openai", "", "none", schema_format),
    start=None,
    verified="run here",
    how="with scripted servers: tests/core/engines/test_openai.py",
    can=Abilities(
        health="`/health` where it has one, else its list of models; watched, never replaced",
        pictures="data URLs, PNG or JPEG",
        grammars="`response_format` json_schema, unless its list of models tells a kind that knows more",
        thinking="by a grammar alone",
        scores="`logprobs`, where the server takes them",
        cancels="closing the connection",
        no_memory="as the server says it; one question is asked again with half of the pixels",
    ),
    remarks=("`engine_dialect` says which kind it is, where its list of models does not.",),
)
