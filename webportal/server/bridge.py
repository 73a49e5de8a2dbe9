"""Django behind an asynchronous server: threads handle requests and never wait for clients."""

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication

from django.conf import settings
from django.urls import get_resolver

from webportal.intake.pipeline.body import SPOOLED_BODY
from webportal.refusals import Refusal
from webportal.server import admission, bodies
from webportal.server.bodies import Body, Message, Receive, Send

T = TypeVar("T")
Environ = dict[str, Any]
Headers = list[tuple[bytes, bytes]]
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass
class WsgiResponse:
    """The complete response of the WSGI application."""

    status: int = 500
    headers: Headers = field(default_factory=list)
    body: Body = field(default_factory=bodies.new_body)


class Bridge:
    """An ASGI application that serves a WSGI one.

    Pages and uploads have separate threads, so that neither unpacking a ZIP nor many files at once
    delay a page.
    """

    def __init__(self, application: WSGIApplication) -> None:
        # Loads the views, which would otherwise block the event loop at the first request.
        _ = get_resolver().url_patterns
        self._application = application
        self._pages = ThreadPoolExecutor(settings.PORTAL_THREADS, thread_name_prefix="page")
        self._uploads = ThreadPoolExecutor(settings.UPLOADS_AT_ONCE, thread_name_prefix="upload")
        self._sending: Counter[uuid.UUID] = Counter()
        # Bytes of all uploads in progress: the announced total, and those still to arrive.
        self._announced = self._to_come = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request."""
        names = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= names:
            # Two servers in a chain could disagree about where this request ends.
            await _send_text(send, HTTPStatus.BAD_REQUEST, "Two lengths of one request.\n")
            return
        environ = environ_of(scope)
        with bodies.new_body() as body:
            try:
                response = await self._answer(environ, body, receive)
            except bodies.GoneError:
                return
            with response.body:
                await _send(response, environ["REQUEST_METHOD"], send)

    async def _answer(self, environ: Environ, body: Body, receive: Receive) -> WsgiResponse:
        length = _announced(environ)
        is_upload = admission.is_upload(environ)
        if is_upload and length is None and not admission.may_come_in_chunks(environ):
            return await self._refuse(environ, admission.no_length)
        limit = admission.largest_body() if is_upload else admission.LARGEST_FORM_BYTES
        if (length or 0) > limit:
            return await self._refuse(environ, partial(admission.body_too_large, environ, limit))
        if not is_upload and (length is None or length <= admission.OPEN_BYTES):
            limit = admission.OPEN_BYTES
        try:
            if limit == admission.OPEN_BYTES:
                return await self._receive_and_answer(
                    environ, body, receive, limit, self._pages, bodies.OPEN_SECONDS
                )
            person = await self._run(self._pages, partial(admission.admit, environ))
            if person is None:
                return await self._run(
                    self._pages, partial(answer_of, self._application, without_body(environ))
                )
            if not is_upload:
                return await self._receive_and_answer(environ, body, receive, limit, self._pages)
            if length is None:
                room = partial(admission.room, self._announced, self._to_come)
                limit = await self._run(self._pages, room)
            expected = limit if length is None else length
            with self._place(person), self._space(expected) as arrived:
                space = partial(admission.check_space, environ, self._announced, self._to_come)
                await self._run(self._pages, space)
                return await self._receive_and_answer(
                    environ, body, receive, limit, self._uploads, arrived=arrived
                )
        except Refusal as error:
            refusal = error
            return await self._refuse(environ, lambda: refusal)
        except bodies.OverLimitError:
            return await self._refuse(environ, partial(admission.body_too_large, environ, limit))
        except bodies.StalledError:
            return await self._refuse(environ, admission.stalled, is_last=True)

    async def _receive_and_answer(
        self,
        environ: Environ,
        body: Body,
        receive: Receive,
        limit: int,
        threads: ThreadPoolExecutor,
        seconds: float | None = None,
        arrived: Callable[[int], None] | None = None,
    ) -> WsgiResponse:
        try:
            async with asyncio.timeout(seconds):
                length = await bodies.spool(receive, body, limit, arrived)
        except TimeoutError:
            raise bodies.StalledError from None
        except OSError as error:
            return await self._refuse(environ, partial(admission.cannot_keep, error))
        environ |= {"wsgi.input": body, SPOOLED_BODY: body}
        if length:
            environ["CONTENT_LENGTH"] = str(length)
        return await self._run(threads, partial(answer_of, self._application, environ))

    @contextmanager
    def _place(self, person: uuid.UUID) -> Iterator[None]:
        if self._sending[person] >= settings.UPLOADS_PER_PERSON:
            raise admission.TooManyUploadsError
        self._sending[person] += 1
        try:
            yield
        finally:
            self._sending[person] -= 1
            if not self._sending[person]:
                del self._sending[person]

    @contextmanager
    def _space(self, length: int) -> Iterator[Callable[[int], None]]:
        """Count an upload of up to `length` bytes; yields a function to call with bytes arrived."""
        left = length

        def arrived(size: int) -> None:
            nonlocal left
            left -= size
            self._to_come -= size

        self._announced += length
        self._to_come += length
        try:
            yield arrived
        finally:
            self._announced -= length
            self._to_come -= left

    async def _refuse(
        self, environ: Environ, refuse: Callable[[], Refusal], *, is_last: bool = False
    ) -> WsgiResponse:
        """Respond in place of Django; the rest of the body is read and discarded."""
        refusal = await self._run(self._pages, partial(admission.refusal_response, environ, refuse))
        response = WsgiResponse(refusal.status_code, _encoded(refusal.items()))
        if is_last:
            response.headers.append((b"connection", b"close"))
        response.body.write(refusal.content)
        return response

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)


def environ_of(scope: Message) -> Environ:
    """The request as a WSGI environment (PEP 3333), without its body."""
    host, port = scope["server"] or ("localhost", None)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        # A proxy that sets X-Forwarded-For passes X_Forwarded_For through, which WSGI cannot tell
        # apart.
        if b"_" in raw_name:
            continue
        name, value = (
            raw_name.decode("latin-1").upper().replace("-", "_"),
            raw_value.decode("latin-1"),
        )
        if name not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            name = f"HTTP_{name}"
        separator = "; " if name == "HTTP_COOKIE" else ","
        environ[name] = f"{environ[name]}{separator}{value}" if name in environ else value
    return environ


def without_body(environ: Environ) -> Environ:
    """The same request as if it had no body."""
    return environ | {"CONTENT_LENGTH": "0", "wsgi.input": BytesIO()}


def answer_of(application: WSGIApplication, environ: Environ) -> WsgiResponse:
    """Call a WSGI application, and keep its complete response."""
    response = WsgiResponse()

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        response.status, response.headers = int(status.split()[0]), _encoded(headers)
        return response.body.write

    starter: StartResponse = start_response
    chunks = application(environ, starter)
    try:
        for chunk in chunks:
            response.body.write(chunk)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return response


def _announced(environ: Environ) -> int | None:
    """The declared length of the body, None for chunked encoding."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    length = environ.get("CONTENT_LENGTH", "")
    # uvicorn has rejected lengths that are not numbers; a request without a body needs none.
    return int(length) if length else 0


def _encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    # Django begins the value of a cookie with a space.
    return [
        (name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers
    ]


async def _send(response: WsgiResponse, method: str, send: Send) -> None:
    length = response.body.tell()
    names = {name for name, _ in response.headers}
    if b"content-length" not in names and method != "HEAD" and response.status not in _WITHOUT_BODY:
        response.headers.append((b"content-length", str(length).encode()))
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    await bodies.send_body(response.body, length, send)


async def _send_text(send: Send, status: HTTPStatus, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode(), "more_body": False})
