"""The OpenAI client against a server that misbehaves: every failure has its name, and nothing hangs."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path

import cv2
import misbehaving
import numpy as np
import pytest
from numpy.typing import NDArray

from egm_core.engines import Chunk, Completion, EngineError, Request, Sampling, collect, pictures
from egm_core.engines.http.failures import Timeouts
from egm_core.engines.openai import OpenAIEngine

QUICK = Timeouts(connect=2.0, read=0.4, total=1.5)


@pytest.fixture(scope="module")
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(server: misbehaving.Server) -> None:
    server.bodies.clear()
    server.headers.clear()
    server.hung_up.clear()
    server.health, server.owner, server.logs, server.models = (200, b"{}"), "", True, []


def ask(server: misbehaving.Server, behaviour: str, image: NDArray[np.uint8], **options: object) -> Completion:
    with OpenAIEngine(server.url, model=behaviour, timeouts=QUICK, **options) as engine:  # type: ignore[arg-type]
        return collect(engine.generate(Request("one", image, "the red mug", Sampling(max_tokens=64))))


@pytest.mark.parametrize(
    ("behaviour", "reason", "words"),
    [
        ("status:500", "engine_http_500", "moon"),
        ("status:401", "engine_http_401", "moon"),
        ("status:503", "engine_http_503", "moon"),
        ("page", "engine_garbage", "text/html"),
        ("garbage", "engine_garbage", "not json"),
        ("noise", "engine_garbage", "not an event"),
        ("shape", "engine_garbage", "int"),
        ("deep:stream", "engine_garbage", "RecursionError"),
        ("deep:whole", "engine_garbage", "RecursionError"),
        ("deep:refusal", "engine_http_400", "[[["),
        ("trouble", "engine_failed", "out of memory"),
        ("cut", "engine_cut_stream", "broke"),
        ("reset", "engine_cut_stream", "broke"),
        ("unfinished", "engine_cut_stream", "half way"),
        ("nothing", "engine_cut_stream", "broke"),
        ("empty", "engine_empty", "before it began"),
        ("silent", "engine_timeout", "0.4 s"),
        ("stuck", "engine_timeout", "0.4 s"),
        ("drip", "engine_timeout", "1.5 s"),
    ],
)
def test_every_failure_has_a_name(
    server: misbehaving.Server, noise: NDArray[np.uint8], behaviour: str, reason: str, words: str
) -> None:
    with pytest.raises(EngineError) as caught:
        ask(server, behaviour, noise)
    assert caught.value.reason == reason
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_probability_that_no_float_holds_is_not_known(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    said = ask(server, "large:hello", noise)
    assert said.text == "hello" and [token.logprob for token in said.tokens] == [None]


def test_a_mistake_while_an_answer_is_read_ends_the_wait(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    def mistaken() -> bool:
        raise ZeroDivisionError("scripted")

    with OpenAIEngine(server.url, "short:hello", timeouts=QUICK) as engine:
        found: list[EngineError] = []

        def wait() -> None:
            try:
                collect(engine.generate(Request("x", noise, "p", again=mistaken)))
            except EngineError as error:
                found.append(error)

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(10)
        assert [str(error) for error in found] == ["engine_failed: ZeroDivisionError: scripted"]


def test_after_any_failure_the_same_engine_still_works(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    with OpenAIEngine(server.url, timeouts=QUICK) as engine:
        assert engine.health().state == "ready"
        for behaviour in ("cut", "garbage", "silent"):
            engine._server.model = behaviour
            with pytest.raises(EngineError):
                collect(engine.generate(Request("x", noise, "p")))
        engine._server.model = "says:hello"
        assert collect(engine.generate(Request("x", noise, "p"))).text == "hello"


def test_nobody_there(noise: NDArray[np.uint8]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with OpenAIEngine(url, timeouts=QUICK) as engine:
        with pytest.raises(EngineError, match="is the server running") as caught:
            collect(engine.generate(Request("x", noise, "p")))
        assert caught.value.reason == "engine_unreachable"
        assert engine.health().state == "starting"
        assert engine.grammar() == "none"


def test_sends_the_picture_and_the_papers_settings(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    ask(server, "says:hello", noise)
    body = server.bodies[0]
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["stream"]) == (0.0, 1.0, 64, True)
    image, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "the red mug"}
    head, data = image["image_url"]["url"].split(",")
    assert head == "data:image/png;base64"
    sent = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(cv2.cvtColor(sent, cv2.COLOR_BGR2RGB), noise)


def test_the_api_key_comes_from_the_environment(
    server: misbehaving.Server, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGM_TEST_KEY", "sesame")
    ask(server, "says:hello", noise, api_key_env="EGM_TEST_KEY")
    assert server.headers[0]["Authorization"] == "Bearer sesame"
    ask(server, "says:hello", noise, api_key_env="EGM_TEST_NO_KEY")
    assert "Authorization" not in server.headers[1]


def test_reads_a_server_that_does_not_stream(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    answer = ask(server, "whole:hello there", noise)
    assert (answer.text, answer.finish) == ("hello there", "stop")


def test_joins_reasoning_that_the_server_split_off(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    answer = ask(server, "splits:The mug is red.|[]", noise)
    assert answer.text == "<think>The mug is red.</think>[]"


def limits(server: misbehaving.Server) -> list[int | None]:
    return [body.get("max_tokens") for body in server.bodies]


def test_a_context_too_short_is_asked_again_without_a_limit(
    server: misbehaving.Server, noise: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(server, "short:hello", noise).text == "hello"
    assert limits(server) == [64, None]
    assert "refuses max_tokens 64" in caplog.text
    long = ask(server, f"short:{'x' * 600}", noise)
    assert (long.finish, len(long.text)) == ("length", 64 * misbehaving.PIECE)


def test_what_one_shape_of_request_was_refused_the_others_keep(
    server: misbehaving.Server, noise: NDArray[np.uint8]
) -> None:
    with OpenAIEngine(server.url, model="short:hello", timeouts=QUICK) as engine:
        for picture in (noise, noise, noise[:32]):
            collect(engine.generate(Request("x", picture, "p", Sampling(max_tokens=64))))
        assert limits(server) == [64, None, None, 64, None]
        server.bodies.clear()
        collect(engine.generate(Request("x", noise, "", Sampling(max_tokens=64))))
        assert limits(server) == [64, None]


@pytest.mark.parametrize(
    "message",
    [
        "the picture is broken; got {'max_tokens': 64}",
        "max_tokens must be at least 1",
        "try again later (max_tokens 64)",
    ],
)
def test_a_refusal_that_only_names_the_limit_leaves_it(
    server: misbehaving.Server, noise: NDArray[np.uint8], message: str
) -> None:
    with OpenAIEngine(server.url, model=f"refuses:{message}", timeouts=QUICK) as engine:
        with pytest.raises(EngineError, match=r"engine_http_400"):
            collect(engine.generate(Request("x", noise, "p", Sampling(max_tokens=64))))
        assert limits(server) == [64]


def test_a_server_that_knows_the_limit_by_its_new_name_gets_that(
    server: misbehaving.Server, noise: NDArray[np.uint8]
) -> None:
    assert ask(server, "renamed:hello", noise).text == "hello"
    assert server.bodies[-1]["max_completion_tokens"] == 64


def test_a_separator_of_unicode_in_raw_json_breaks_nothing(
    server: misbehaving.Server, noise: NDArray[np.uint8]
) -> None:
    assert ask(server, "raw:the\u2028red\x85mug", noise).text == "the\u2028red\x85mug"


def test_a_picture_is_written_once_for_all_its_requests(
    server: misbehaving.Server, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    original = pictures.data_url

    def counted(image: NDArray[np.uint8], form: pictures.PictureFormat) -> str:
        written.append(form)
        time.sleep(0.1)
        return original(image, form)

    monkeypatch.setattr(pictures, "data_url", counted)
    fresh = noise[::-1].copy()
    with OpenAIEngine(server.url, model="says:hello", timeouts=QUICK, image_format="jpeg") as engine:
        answers = [engine.generate(Request(task, fresh.copy(), task)) for task in ("visible", "amodal")]
        assert [collect(answer).text for answer in answers] == ["hello"] * 2
    assert written == ["jpeg"]
    urls = [body["messages"][0]["content"][0]["image_url"]["url"] for body in server.bodies]
    assert urls[0] == urls[1] and urls[0].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("behaviour", ["silent", "stuck", "drip"])
def test_abort_hangs_up_at_once_at_any_stage(
    server: misbehaving.Server, noise: NDArray[np.uint8], behaviour: str
) -> None:
    with OpenAIEngine(server.url, model=behaviour, dialect="openai") as engine:
        stream = engine.generate(Request("one", noise, "p"))
        deadline = time.monotonic() + 10
        while not server.bodies and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        threading.Timer(0.05, engine.abort, ["one"]).start()
        assert collect(stream).finish == "abort"
        assert server.hung_up.wait(10)
        assert time.monotonic() - began < 10


def test_closing_the_engine_ends_its_requests(server: misbehaving.Server, noise: NDArray[np.uint8]) -> None:
    engine = OpenAIEngine(server.url, model="drip")
    stream = engine.generate(Request("one", noise, "p"))
    next(stream)
    engine.close()
    engine.close()
    assert collect(stream).finish == "abort"
    assert engine.health().state == "closed"
    with pytest.raises(EngineError) as caught:
        engine.generate(Request("two", noise, "p"))
    assert caught.value.reason == "engine_closed"


@pytest.mark.parametrize(
    ("owner", "dialect", "grammar"),
    [
        ("vllm", "vllm", "accepted"),
        ("egm_core", "egm", "enforced"),
        ("tensorrt_llm", "trtllm", "accepted"),
        ("somebody", "openai", "none"),
    ],
)
def test_recognises_servers(server: misbehaving.Server, owner: str, dialect: str, grammar: str) -> None:
    server.owner = owner
    with OpenAIEngine(server.url) as engine:
        assert engine.grammar() == grammar
        assert engine.dialect == dialect
        assert engine.health().model == "says:hello"


@pytest.mark.parametrize(
    ("health", "state", "words"),
    [
        ((503, b'{"state": "starting", "detail": "loading"}'), "starting", "loading"),
        ((503, b'{"state": "failed", "detail": "no weights"}'), "failed", "no weights"),
        ((500, b"oh dear"), "failed", "oh dear"),
        ((404, b"{}"), "ready", "openai"),
    ],
)
def test_health(server: misbehaving.Server, health: tuple[int, bytes], state: str, words: str) -> None:
    server.health = health
    with OpenAIEngine(server.url) as engine:
        found = engine.health()
    assert found.state == state
    assert words in found.detail


def test_tls_is_verified_unless_told_otherwise(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    files = ["-keyout", str(key), "-out", str(certificate)]
    made = subprocess.run([*command.split(), *files], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no openssl on this machine to make a certificate with")
    server = misbehaving.Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=HTTPServer.serve_forever, args=(server, 0.02), daemon=True)
    thread.start()
    url = f"https://localhost:{server.server_address[1]}"
    try:
        for verify, works in ((True, False), (str(certificate), True), (False, True)):
            with OpenAIEngine(url, model="says:hello", timeouts=QUICK, verify=verify) as engine:
                if works:
                    assert collect(engine.generate(Request("x", noise, "p"))).text == "hello"
                else:
                    with pytest.raises(EngineError, match="CERTIFICATE_VERIFY_FAILED"):
                        collect(engine.generate(Request("x", noise, "p")))
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": "localhost:8000"}, "http://host:port"),
        ({"url": "ftp://host"}, "http://host:port"),
        ({"url": "http://h", "dialect": "welsh"}, "vllm"),
        ({"url": "http://h", "image_format": "bmp"}, "jpeg"),
    ],
)
def test_unusable_settings_are_refused(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OpenAIEngine(**arguments)  # type: ignore[arg-type]


def test_aborts_at_any_moment_leave_the_engine_able_to_answer(
    server: misbehaving.Server, noise: NDArray[np.uint8]
) -> None:
    """A pool of httpx's loses a place now and then for a request that is cancelled (httpcore#1093), and then hangs."""
    random = np.random.default_rng(0)
    with OpenAIEngine(server.url, model="says:fine", timeouts=Timeouts(connect=2.0, read=5.0, total=20.0)) as engine:
        assert engine.health().state == "ready"
        before = len(os.listdir("/proc/self/fd"))

        def begun(name: str) -> Iterator[Chunk]:
            return engine.generate(Request(name, noise, "x", Sampling(max_tokens=64)))

        for number in range(1000):
            names = [f"{number}-visible", f"{number}-amodal"]
            answers = [begun(name) for name in names]
            time.sleep(random.uniform(0, 0.005))
            for name in names:
                engine.abort(name)
            for answer in answers:
                assert list(answer)[-1].finish in ("abort", "stop")
        assert collect(begun("last")).text == "fine"
        assert engine.health().state == "ready"
        # Neither end keeps what belonged to a request that is over.
        patience = time.monotonic() + 10.0
        while len(os.listdir("/proc/self/fd")) > before + 8 and time.monotonic() < patience:
            time.sleep(0.1)
        assert len(os.listdir("/proc/self/fd")) <= before + 8
