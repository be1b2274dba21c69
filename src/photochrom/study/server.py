"""The study as a web page: the rules of `sessions` over HTTP.

Participants are identified by a random token in an HttpOnly cookie. A pair has a random token and is one
picture; every picture has the same headers, and no reply reveals the right answer except after a practice
pair, once the answer is stored.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from fastapi import Cookie, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, FiniteFloat, StrictBool
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import DataError
from .plan import load_study
from .prepared_pictures import PreparedPictures
from .sessions import Progress, Refused, Sessions
from .store import Store

COOKIE_SECONDS = 30 * 24 * 3600  # as the page's consent text says
LARGEST_BODY = 4096  # bytes
PAGE = {"": ("index.html", "text/html"), "study.css": ("study.css", "text/css"),
        "study.js": ("study.js", "text/javascript")}  # fmt: skip
HEADERS = (  # of every reply
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                                 b"img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)  # fmt: skip
log = logging.getLogger("photochrom.study")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Consent(_Body):
    """What the first page sends."""

    consent: StrictBool


class Answer(_Body):
    """Which side was taken for the coloured one; the times in ms, null where the page could not measure them."""

    coloured: Literal["left", "right"]
    shown_ms: FiniteFloat | None = None
    reaction_ms: FiniteFloat | None = None


def create_app(folder: Path, store: Store) -> FastAPI:
    """The web application of the study in `folder`, with its answers in `store` (which the caller closes)."""
    study = load_study(folder)
    pictures = PreparedPictures(folder)
    sessions = Sessions(study, store, pictures.prepare)
    # Cookies are shared between ports: two studies on one machine must not mix up their participants.
    cookie = f"photochrom-study-{study.identity}"
    secret = Cookie(None, alias=cookie)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        pictures.close()

    app = FastAPI(title=study.title, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(SmallBodies)
    app.add_middleware(SameHeaders)  # around the other
    _handle_errors(app)
    for path, (name, kind) in PAGE.items():
        app.get(f"/{path}")(_page(files(__package__).joinpath("page", name).read_bytes(), kind))

    @app.get("/api/study")
    def describe(token: str | None = secret) -> dict[str, Any]:
        """What the first screen says, and where the participant is, if there is one."""
        progress = sessions.peek(token)
        return {
            "title": study.title,
            "practice": study.practice,
            "test": study.test,
            "shown_ms": study.shown_ms,
            "progress": None if progress is None else _progress(progress),
        }

    @app.post("/api/participants", status_code=201)
    def join(body: Consent, request: Request, response: Response, token: str | None = secret) -> dict[str, Any]:
        if not body.consent:
            raise Refused(403, "participation requires consent")
        if token is not None and sessions.peek(token) is not None:
            return _progress(sessions.resume(token))  # twice the same button: still one participant
        token, progress = sessions.join()
        response.set_cookie(
            cookie,
            token,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return _progress(progress)

    @app.post("/api/session")
    def resume(token: str | None = secret) -> dict[str, Any]:
        return _progress(sessions.resume(token))

    @app.get("/api/pairs/{pair}/picture")
    def picture(pair: str, token: str | None = secret) -> Response:
        return Response(pictures.get(pair, sessions.picture(token, pair)), media_type="image/jpeg")

    @app.post("/api/pairs/{pair}/shown")
    def shown(pair: str, token: str | None = secret) -> dict[str, Any]:
        sessions.shown(token, pair)
        return {}

    @app.post("/api/pairs/{pair}/answer")
    def answer(pair: str, body: Answer, token: str | None = secret) -> dict[str, Any]:
        done = sessions.answer(token, pair, body.coloured, body.shown_ms, body.reaction_ms)
        return {"right": done.right, **_progress(done.progress)}

    return app


def _progress(progress: Progress) -> dict[str, Any]:
    return asdict(progress)


def _page(content: bytes, kind: str) -> Callable[[], Response]:
    return lambda: Response(content, media_type=kind)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, error.status)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        # Not FastAPI's own: that repeats what was sent, which need not be JSON (NaN).
        found = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return JSONResponse({"detail": found}, 422)

    @app.exception_handler(SQLAlchemyError)
    def database(request: Request, error: SQLAlchemyError) -> JSONResponse:
        log.error("the database failed; nothing was stored: %s", error)
        return JSONResponse({"detail": "answers cannot be stored at the moment; try again"}, 503)

    @app.exception_handler(DataError)
    def picture(request: Request, error: DataError) -> JSONResponse:
        log.error("%s", error)  # it names files: not for participants
        return JSONResponse({"detail": "the study is damaged; tell whoever sent you here"}, 500)


class SameHeaders:
    """HEADERS on every reply, whatever it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class SmallBodies:
    """Refuses requests with a body that no page of the study sends, before it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            length = headers.get(b"content-length", b"0")
            if b"transfer-encoding" in headers or not length.isdigit() or int(length) > LARGEST_BODY:
                reply = JSONResponse({"detail": f"expected a body of at most {LARGEST_BODY} bytes"}, 413)
                return await reply(scope, receive, send)
        await self._app(scope, receive, send)
