"""Connections of the server: one whose sender does not complete the headers of a request is closed."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

_SECONDS_FOR_HEADERS = 10.0


class TimedConnection(H11Protocol):
    """A connection that is closed if the headers of a request do not arrive in time.

    The server accepts a limited number of connections, and uvicorn waits for headers without a limit.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start to wait for the first request.

        Args:
            transport: the connection.
        """
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting.

        Args:
            exc: why the connection ended; None if one of both sides closed it.
        """
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request.

        Args:
            data: the part.
        """
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:  # a request is being answered
            self._stop_waiting()
        elif self._waiting is None:  # the headers of a further request have begun
            self._wait_for_headers()

    def _wait_for_headers(self) -> None:
        self._waiting = self.loop.call_later(_SECONDS_FOR_HEADERS, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
