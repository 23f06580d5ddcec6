"""The web application: chat completions, model list and health around one transformers engine."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from egm_core.engines.base import Chunk, EngineError, Health, Token
from egm_core.serve.protocol import ChatRequest, Refusal, completion, event, refusal_of, usage
from egm_core.serve.reading import Fit, Reading, read_body

if TYPE_CHECKING:
    from egm_core.engines.local import TransformersEngine

OWNER = "egm_core"
LOOK_EVERY = 0.05


class Service:
    """The engine and what the application knows about it; `load` makes the engine, importing torch as it does."""

    def __init__(self, load: Callable[[], TransformersEngine], model: str, max_tokens: int, max_queue: int) -> None:
        self.load = load
        self.model = model
        self.max_tokens = max_tokens
        self.max_queue = max_queue
        self.engine: TransformersEngine | None = None
        self.failure = ""
        self.open = 0

    def start(self) -> None:
        """Make the engine and let it load."""
        try:
            self.engine = self.load()
            self.engine.start()
        except Exception as error:  # the edge of the loading thread: it becomes the state that /health tells
            self.failure = f"{type(error).__name__}: {error}"

    def health(self) -> Health:
        """Say how the engine is, before there is one too."""
        if self.failure:
            return Health("failed", self.failure, self.model)
        if self.engine is None:
            return Health("starting", "importing torch", self.model)
        return self.engine.health()

    def ready(self) -> TransformersEngine:
        """Give the engine, or refuse with 503."""
        health = self.health()
        if self.engine is None or health.state != "ready":
            raise Refusal(503, "service_unavailable", f"the model is not ready ({health.state}): {health.detail}")
        return self.engine


class Answer:
    """One request under way: its chunks, carried from the engine's thread into the event loop."""

    def __init__(self, engine: TransformersEngine, request_id: str) -> None:
        self.engine = engine
        self.id = request_id
        self.prompt_tokens = 0
        self.tokens = 0
        self.ended = False
        self.watch: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Chunk | EngineError] = asyncio.Queue()

    def emit(self, item: Chunk | EngineError) -> None:
        """Take a chunk from the engine's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Give the chunks until the last one; an engine's error is raised as a Refusal."""
        while True:
            item = await self._queue.get()
            if isinstance(item, EngineError):
                raise refusal_of(item)
            self.tokens += len(item.tokens)
            yield item
            if item.finish is not None:
                return


def _refused(refusal: Refusal) -> JSONResponse:
    headers = {"Retry-After": "1"} if refusal.status in (429, 503) else {}
    return JSONResponse(refusal.body, refusal.status, headers)


def create_app(
    load: Callable[[], TransformersEngine],
    model: str,
    max_tokens: int = 4096,
    max_queue: int = 32,
    api_key: str = "",
    fit: Fit = lambda image: image,
    root: str = "",
) -> FastAPI:
    """Build the application around the engine that `load` makes; `model` is the name that clients ask for.

    Answers end at `max_tokens`; with `max_queue` requests under way, a further one gets 429. With an `api_key`, all but
    /health wants it as bearer token. `fit` shrinks a picture to the model's budget,
    `root` is the folder that it was loaded from, for the list of models.
    """
    reading = Reading(fit)
    service = Service(load, model, max_tokens, max_queue)
    born = int(time.time())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(asyncio.to_thread(service.start))
        yield
        await loading
        reading.close()
        if service.engine is not None:
            await asyncio.to_thread(service.engine.close)

    app = FastAPI(title="egm_core.serve", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service

    @app.exception_handler(Refusal)
    async def on_refusal(request: Request, refusal: Refusal) -> Response:
        return _refused(refusal)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        return _refused(Refusal(error.status_code, "invalid_request_error", f"{request.url.path}: {error.detail}"))

    @app.get("/health")
    async def health() -> Response:
        state = service.health()
        body = {"state": state.state, "detail": state.detail, "model": service.model, "open": service.open}
        if service.engine is not None:
            body["counts"] = asdict(service.engine.counts())
        return JSONResponse(body, 200 if state.state == "ready" else 503)

    def check_key(http: Request) -> None:
        given = http.headers.get("authorization", "").removeprefix("Bearer ").encode("utf-8", "replace")
        if api_key and not secrets.compare_digest(given, api_key.encode()):
            raise Refusal(401, "authentication_error", "send this server's API key as bearer token")

    @app.get("/v1/models")
    async def models(http: Request) -> dict[str, Any]:
        check_key(http)
        entry: dict[str, Any] = {"id": service.model, "object": "model", "created": born, "owned_by": OWNER}
        entry["root"] = root
        thinking = service.engine.thinking() if service.engine is not None else None
        if thinking is not None:
            entry["thinking"] = thinking.to_json()
        return {"object": "list", "data": [entry]}

    @app.post("/v1/chat/completions")
    async def chat(http: Request) -> Response:
        check_key(http)
        engine = service.ready()
        if service.open >= service.max_queue:
            raise Refusal(429, "rate_limit_exceeded", f"{service.open} requests are under way already; try again soon")
        service.open += 1
        try:
            body = await reading.chat(await read_body(http))
            _check_model(body, service.model)
            answer = Answer(engine, f"chatcmpl-{uuid.uuid4().hex}")
            picture = await reading.picture(body.asked()[0])
            request = body.to_request(answer.id, picture, service.max_tokens)
            try:
                answer.prompt_tokens = await asyncio.to_thread(engine.submit, request, answer.emit)
            except EngineError as error:
                raise refusal_of(error) from error
        except BaseException:
            service.open -= 1
            raise
        answer.watch = asyncio.create_task(_watch(service, http, answer))
        if body.stream:
            usage_too = body.stream_options is not None and body.stream_options.include_usage
            events = _events(service, answer, body.logprobs, usage_too)
            return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        try:
            text: list[str] = []
            tokens: list[Token] = []
            finish: str | None = None
            async for chunk in answer.chunks():
                text.append(chunk.text)
                tokens.extend(chunk.tokens)
                finish = chunk.finish
            whole = Chunk("".join(text), tuple(tokens), finish)
            return JSONResponse(
                completion(answer.id, service.model, whole, answer.prompt_tokens, answer.tokens, body.logprobs)
            )
        finally:
            _end(service, answer)

    return app


def _check_model(body: ChatRequest, model: str) -> None:
    if body.model is not None and body.model != model:
        raise Refusal(404, "not_found", f"there is no model {body.model[:100]!r} here; this server has {model!r}")


def _end(service: Service, answer: Answer) -> None:
    """Close the books on an answer, however it ended; a second call does nothing."""
    if not answer.ended:
        answer.ended = True
        answer.engine.abort(answer.id)
        service.open -= 1


async def _watch(service: Service, http: Request, answer: Answer) -> None:
    """Abort an answer whose client has hung up."""
    while not answer.ended:
        if await http.is_disconnected():
            _end(service, answer)
        await asyncio.sleep(LOOK_EVERY)


async def _events(service: Service, answer: Answer, logprobs: bool, usage_too: bool) -> AsyncIterator[str]:
    try:
        async for chunk in answer.chunks():
            yield f"data: {json.dumps(event(answer.id, service.model, chunk, logprobs))}\n\n"
        if usage_too:
            last = {"id": answer.id, "object": "chat.completion.chunk", "model": service.model, "choices": []}
            yield f"data: {json.dumps({**last, 'usage': usage(answer.prompt_tokens, answer.tokens)})}\n\n"
        yield "data: [DONE]\n\n"
    except Refusal as refusal:
        yield f"data: {json.dumps(refusal.body)}\n\n"
    finally:
        _end(service, answer)
