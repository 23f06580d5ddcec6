"""A server at an address: whether it is ready, and what it says of itself, asked once, and anew after it was away."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from egm_core.engines.base import EngineError, Health
from egm_core.engines.http.connection import Connection
from egm_core.engines.http.failures import named
from egm_core.engines.http.served_models import Wanted, choose, read_list
from egm_core.engines.http.sse import error_message
from egm_core.families.thinking import PROBE, PROBED, Thinking, thinking_of
from egm_core.servers.dialect import Dialect
from egm_core.servers.known import DIALECTS, dialect_of


class Server:
    """What is known of a server: the name of its `model`, its `dialect`, and how its model begins to think.

    All that it is asked is asked on the engine's event loop.
    """

    def __init__(self, connection: Connection, wanted: Wanted, dialect: str) -> None:
        self.model = wanted.name
        self.dialect: Dialect | None = None if dialect == "auto" else DIALECTS[dialect]
        self.thinking: Thinking | None = None
        self.asked_thinking = False
        self._connection, self._url = connection, connection.url
        self._wanted = wanted
        self._told_dialect = dialect != "auto"
        self._described = False
        self._refused = False
        self._client: httpx.AsyncClient | None = None

    @property
    def called(self) -> str:
        """Name of its dialect; "" as long as it isn't known."""
        return self.dialect.name if self.dialect else ""

    async def health(self, patience: float) -> Health:
        """Ask it how it is: `/health` where it has that, its model list otherwise, `patience` seconds each."""
        health = await self._poll(patience)
        self._described &= health.state == "ready"
        return health

    async def _poll(self, patience: float) -> Health:
        name = self.model
        try:
            for path in ("/health", f"{self._connection.api}/models"):
                answer = await self._connected().get(path, timeout=patience)
                if answer.is_success:
                    await self.describe()
                    return Health("ready", f"{self.called} server at {self._url}", self.model)
                if answer.status_code == 503:
                    return self._unavailable(answer, name)
                if answer.status_code not in (404, 405):
                    break
        except httpx.HTTPError as error:
            return Health("starting", f"nothing answers at {self._url} ({named(error)})", name)
        except EngineError as error:
            return Health("failed", str(error), name)
        return Health("failed", f"{self._url} answers {answer.status_code}: {error_message(answer.text)}", name)

    @staticmethod
    def _unavailable(answer: httpx.Response, name: str) -> Health:
        """Read a 503: `egm_core.serve` says whether it is starting or has failed, others only start."""
        try:
            data = answer.json()
            failed = isinstance(data, dict) and data.get("state") == "failed"
        except (ValueError, RecursionError):
            failed = False
        return Health("failed" if failed else "starting", error_message(answer.text), name)

    async def describe(self) -> None:
        """Find out which model and what kind of server this is, once, and anew after it was away."""
        if self._described or (self._told_dialect and self._wanted.name and not self._refused):
            return
        answer = await self._connected().get(f"{self._connection.api}/models")
        if not answer.is_success:
            raise EngineError(f"engine_http_{answer.status_code}", f"/v1/models: {error_message(answer.text)}")
        models = read_list(answer.text, self._url)
        # Some servers list one name and take any: only one that has refused the given name is held to its list.
        chosen = models[0] if self._wanted.name and not self._refused else choose(models, self._wanted, self._url)
        self.model = self._wanted.name or chosen.name
        if not self._told_dialect:
            self.dialect = dialect_of(chosen.owner)
        self.thinking, self.asked_thinking = chosen.thinking, chosen.thinking is not None
        self._described, self._refused = True, False

    async def renamed(self, asked: str) -> bool:
        """Read the list anew, as the server has no model of that name; True where ours goes by another one now."""
        if self.model == asked:
            self._described, self._refused = False, True
            try:
                await self.describe()
            except EngineError as error:
                if error.reason == "engine_wrong_model":
                    raise
                # Without a list there is only what the server said.
                self._refused = False
        return self.model != asked

    async def ask_thinking(self) -> Thinking | None:
        """Have vLLM write a chat with the model's template, in every way that may differ; None where it cannot."""
        if self.thinking is not None or self.dialect is None or not self.dialect.writes_chats:
            return self.thinking
        written: dict[str, str] = {}

        async def write(chat: list[dict[str, Any]], arguments: dict[str, Any]) -> None:
            body = {"model": self.model, "messages": chat, "chat_template_kwargs": arguments}
            tokens = (await self._connected().post("/tokenize", json=body)).raise_for_status().json()["tokens"]
            body = {"model": self.model, "tokens": tokens}
            text = (await self._connected().post("/detokenize", json=body)).raise_for_status().json()["prompt"]
            written[repr(arguments)] = str(text)

        try:
            await asyncio.gather(*(write(PROBE, arguments) for arguments in PROBED))
            return thinking_of(lambda chat, arguments: written[repr(arguments)])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    async def close(self) -> None:
        """Close the connections on which it was asked."""
        if self._client is not None:
            await self._client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = self._connection.client()
        return self._client
