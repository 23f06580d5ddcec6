"""A body that is nested too deep to read is a refusal of that question, not the end of the command."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from egm_core.asking.endpoint import Endpoint, Refused
from egm_core.asking.job import Job
from egm_core.asking.served import Serving


def test_a_body_nested_too_deep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        endpoint = Endpoint("http://127.0.0.1:1", Serving())

        async def described() -> tuple[str, Any]:
            return "m", None

        async def post(*told: Any) -> httpx.Response:
            return httpx.Response(200, content=b"[" * 200_000)

        monkeypatch.setattr(endpoint, "_described", described)
        monkeypatch.setattr(endpoint, "_post", post)
        try:
            with pytest.raises(Refused, match="nested too deep"):
                await endpoint.ask(Job("a", ()), [])
        finally:
            await endpoint.close()

    asyncio.run(run())
