"""An API key in clear: to this machine, or to a host that was named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from egm_core.asking.endpoints import Endpoints
from egm_core.asking.served import Serving
from egm_core.engines.http.keys import authorization, is_loopback, key_refusal
from egm_core.engines.openai import OpenAIEngine


def no_pictures(reference: Any) -> NDArray[np.uint8]:
    raise FileNotFoundError(reference)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGM_TEST_KEY", "sesame")


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com", "http://localhost:8000", "http://127.0.0.2", "http://[::1]:80", "http://a.localhost"],
)
def test_goes_over_tls_and_to_this_machine(url: str) -> None:
    assert authorization(url, "EGM_TEST_KEY") == {"Authorization": "Bearer sesame"}


@pytest.mark.parametrize(
    "url", ["http://robot:8000", "http://10.0.0.7", "http://localhost.evil.com", "http://[fe80::1]"]
)
def test_goes_nowhere_else_and_that_is_said(url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert authorization(url, "EGM_TEST_KEY") == {}
    assert url in caplog.text and "engine_key_in_clear" in caplog.text and "sesame" not in caplog.text


def test_goes_where_the_host_is_named() -> None:
    assert authorization("http://Robot:8000", "EGM_TEST_KEY", ["robot"])
    assert authorization("http://robot:8000", "EGM_TEST_KEY", ["other", " Robot "])
    assert not authorization("http://robot2:8000", "EGM_TEST_KEY", ["robot"])


def test_without_a_key_there_is_nothing_to_say() -> None:
    assert key_refusal("http://robot", "EGM_TEST_NONE") == key_refusal("http://robot", "") == ""


def test_every_client_holds_to_it() -> None:
    with OpenAIEngine("http://robot:1", api_key_env="EGM_TEST_KEY") as engine:
        assert engine._server._connection.options["headers"] == {}
    with OpenAIEngine("http://robot:1", api_key_env="EGM_TEST_KEY", clear_hosts=["robot"]) as engine:
        assert engine._server._connection.options["headers"]
    for hosts, sent in (((), False), (("robot",), True)):
        serving = Serving(api_key_env="EGM_TEST_KEY", key_in_clear=hosts)
        endpoints = Endpoints(["http://robot:1"], no_pictures, serving)
        assert ("Authorization" in endpoints.endpoints[0].client.headers) == sent


def test_names_of_this_machine() -> None:
    assert is_loopback("LOCALHOST.") and not is_loopback(None) and not is_loopback("127.example.com")
