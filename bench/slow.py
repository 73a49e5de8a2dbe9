"""Page response times while slow clients hold connections, compared with no slow clients."""

import asyncio
import http.client
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from django.test import Client

from bench import pictures
from webportal.accounts.models import Role, User
from webportal.intake.batches import services

PEOPLE = 10
UPLOADS_EACH = 7
UPLOAD_ROWS = 1600
BYTES_PER_SECOND, PAUSE_SECONDS = 20_000, 0.5
WAITING, READING = 70, 60
LIMIT_MS = 100
ROUNDS = 2
SETTLE_SECONDS = 2
PAGES = ("/health/live", "/worklist")
_SMALL_WINDOW = 4096
TOKEN = "a" * 32
ASSETS = Path(__file__).parents[1] / "webportal" / "static" / "dist" / "assets"


@dataclass(frozen=True)
class Page:
    """Response times of a page in milliseconds, p50, p95 and p99: with and without slow clients."""

    name: str
    measured: tuple[float, float, float]
    baseline: tuple[float, float, float]

    @property
    def is_met(self) -> bool:
        """Whether slow clients delay the page little, compared with the idle portal."""
        return self.measured[1] < max(LIMIT_MS, 2 * self.baseline[1])


@dataclass
class Attack:
    """The slow clients of one portal."""

    port: int
    heads: list[bytes]
    file: bytes
    large: str
    cookie: str


def measure(port: int, requests: int) -> list[Page]:
    """Time pages of an idle portal, and with 200 slow clients, alternating."""
    attack = _prepare(port)
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(ROUNDS):
        for is_held in (False, True):
            with slow_clients(attack) if is_held else nullcontext():
                for page in PAGES:
                    taken = _time(port, page, attack.cookie, requests // ROUNDS)
                    times.setdefault((page, is_held), []).extend(taken)
    return [
        Page(page, _percentiles(times[page, True]), _percentiles(times[page, False]))
        for page in PAGES
    ]


def table(pages: list[Page]) -> str:
    """The figures as a table."""
    clients = WAITING + READING + PEOPLE * UPLOADS_EACH
    head = "".join(f"{name:>9}" for name in ("p50", "p95", "p99", "idle p50", "p95", "p99"))
    lines = [f"{f'ms, with {clients} slow clients and idle':36}{head}"]
    for each in pages:
        figures = "".join(f"{value:9.1f}" for value in (*each.measured, *each.baseline))
        verdict = "met" if each.is_met else "MISSED"
        target = f"p95 under {LIMIT_MS} ms, or twice that of idle"
        lines.append(f"{each.name:36}{figures}  {target}: {verdict}")
    return "\n".join(lines)


def _prepare(port: int) -> Attack:
    file = pictures.as_jpeg(pictures.draw(0, UPLOAD_ROWS))
    heads, cookie = [], ""
    for number in range(PEOPLE):
        person = User.objects.create_user(f"slow {number}", None, [Role.UPLOADER, Role.RADIOLOGIST])
        browser = Client()
        browser.force_login(person)
        cookie = f"sessionid={browser.cookies['sessionid'].value}; csrftoken={TOKEN}"
        address = f"/uploads/{services.create_batch(person).pk}/files"
        head = (
            f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
            f"X-CSRFToken: {TOKEN}\r\nX-File-Path: slow.jpg\r\nConnection: close\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(file)}\r\n\r\n"
        )
        heads += [head.encode()] * UPLOADS_EACH
    script = max(ASSETS.glob("*.js"), key=lambda each: each.stat().st_size)
    return Attack(port, heads, file, f"/static/dist/assets/{script.name}", cookie)


@contextmanager
def slow_clients(attack: Attack) -> Iterator[None]:
    """Keep slow clients connected within this block."""
    is_over = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(_hold(attack, is_over),))
    thread.start()
    time.sleep(SETTLE_SECONDS)
    try:
        yield
    finally:
        is_over.set()
        thread.join()


async def _hold(attack: Attack, is_over: threading.Event) -> None:
    clients = [
        *(_wait(attack) for _ in range(WAITING)),
        *(_upload(attack, head) for head in attack.heads),
        *(_read(attack) for _ in range(READING)),
    ]
    tasks = [asyncio.create_task(client) for client in clients]
    await asyncio.to_thread(is_over.wait)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _connect(attack: Attack) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", attack.port))
    return await asyncio.open_connection(sock=connection, limit=_SMALL_WINDOW)


async def _wait(attack: Attack) -> None:
    """Never finish the headers; reconnect when the portal closes the connection."""
    while True:
        try:
            _, writer = await _connect(attack)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            while True:
                writer.write(b"X-Slow: 1\r\n")
                await writer.drain()
                await asyncio.sleep(1)
        except OSError:
            await asyncio.sleep(0.1)


async def _upload(attack: Attack, head: bytes) -> None:
    """Send a file slowly, again and again."""
    size = round(BYTES_PER_SECOND * PAUSE_SECONDS)
    while True:
        try:
            reader, writer = await _connect(attack)
            writer.write(head)
            for start in range(0, len(attack.file), size):
                writer.write(attack.file[start : start + size])
                await writer.drain()
                await asyncio.sleep(PAUSE_SECONDS)
            await reader.read()
        except OSError:
            await asyncio.sleep(0.1)


async def _read(attack: Attack) -> None:
    """Read a large response very slowly."""
    request = f"GET {attack.large} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {attack.cookie}\r\n"
    while True:
        try:
            reader, writer = await _connect(attack)
            writer.write(f"{request}Connection: close\r\n\r\n".encode())
            while await reader.read(256):
                await asyncio.sleep(1)
        except OSError:
            await asyncio.sleep(0.1)


def _time(port: int, page: str, cookie: str, requests: int) -> list[float]:
    """The duration of each request in milliseconds, each on a new connection."""
    times = []
    for _ in range(requests):
        started = time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", page, headers={"Cookie": cookie})
            response = connection.getresponse()
            response.read()
        if response.status != 200:
            raise RuntimeError(f"GET {page}: {response.status}")
        times.append(1000 * (time.perf_counter() - started))
        time.sleep(0.05)
    return times


def _percentiles(times: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]
