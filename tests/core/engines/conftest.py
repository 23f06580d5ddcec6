"""The engines that the contract is checked against: in process and behind the real server, of both families."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_case import Case

from egm_core.engines import Engine
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine


@pytest.fixture(scope="module", params=["local-qwen3_vl", "local-internvl3", "served-qwen3_vl", "served-internvl3"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    where, family = request.param.split("-")
    name = {"qwen3_vl": "qwen", "internvl3": "internvl"}[family]
    if where == "local":
        engine: Engine = TransformersEngine(request.getfixturevalue(f"memorising_{name}"), threads=1)
    else:
        engine = OpenAIEngine(request.getfixturevalue(f"served_{name}"))
    with engine:
        engine.wait_ready(120)
        yield Case(engine, family)
