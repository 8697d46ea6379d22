"""Connections that wait for the headers of a request."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from microfacial.serving import connections
from microfacial.serving.connections import TimedConnection

HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer with an empty body when the body of the request has ended."""
    while (await receive()).get("more_body"):
        continue
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "_SECONDS_FOR_HEADERS", 0.1)
    config = uvicorn.Config(answer, port=0, http=TimedConnection, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("sent", [b"", HEAD + b"X: ", HEAD + b"\r\n" + HEAD])
def test_a_connection_without_complete_headers_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:  # keep-alive ends after 5 s
        connection.sendall(sent)
        if sent.endswith(b"\r\n" + HEAD):
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            connection.sendall(b"X: ")
        assert connection.recv(1000) == b""


def test_a_slow_body_is_received(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n1")
        time.sleep(0.2)
        connection.sendall(b"2")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
