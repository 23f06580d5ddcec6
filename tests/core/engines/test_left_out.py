"""Which settings a server refuses, and where its API begins."""

import pytest

from egm_core.engines.http.address import api_root
from egm_core.engines.http.left_out import LeftOut

BODY = {"model": "m", "temperature": 0.0, "top_p": 1.0, "logprobs": True, "seed": 1, "max_tokens": 9}


@pytest.mark.parametrize(("refusal", "name"), [
    ("Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported.",
     "temperature"),
    ("Unsupported parameter: 'logprobs' is not supported with this model.", "logprobs"),
    ("`temperature` and `top_p` cannot both be specified for this model. Please use only one.", "top_p"),
    ("temperature: Extra inputs are not permitted", "temperature"),
    ("`temperature` is deprecated for this model.", "temperature"),
    ("Unknown name \"seed\": Cannot find field.", "seed"),
    ("The temperature of the room is 20", ""),
    ("context length exceeded", ""),
    ("image not supported", ""),
])  # fmt: skip
def test_a_refused_setting_is_left_out_from_then_on(refusal, name, caplog):
    left_out = LeftOut()
    assert left_out.learn(BODY, refusal, "http://x") is bool(name)
    assert left_out.strip(BODY) == {key: value for key, value in BODY.items() if key != name}
    assert (f"refuses {name}" in caplog.text) == bool(name)


def test_what_was_not_sent_is_not_refused_again():
    left_out = LeftOut()
    refusal = "Unsupported parameter: temperature"
    assert left_out.learn(BODY, refusal, "http://x")
    assert not left_out.learn(left_out.strip(BODY), refusal, "http://x")
    # Another request that was on its way meanwhile is asked again, too.
    assert left_out.learn(BODY, refusal, "http://x")


@pytest.mark.parametrize(("url", "root"), [
    ("http://host:8000", ("http://host:8000", "/v1")),
    ("http://host:8000/v1/", ("http://host:8000", "/v1")),
    ("https://openrouter.ai/api/v1", ("https://openrouter.ai/api", "/v1")),
    ("https://g.example.com/v1beta/openai/", ("https://g.example.com/v1beta/openai", "")),
    ("https://z.example.com/api/paas/v4", ("https://z.example.com/api/paas/v4", "")),
    ("http://v4.example.com/models", ("http://v4.example.com/models", "/v1")),
])  # fmt: skip
def test_where_an_api_begins(url, root):
    assert api_root(url) == root
