"""Refuse requests that a page of another site makes a browser send. Tell browsers to load nothing from elsewhere."""

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from microfacial.errors import RequestError

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",  # answers are about faces
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer."""


def check_sender(headers: Mapping[str, str], host: str) -> None:
    """Refuse a request that another site made a browser send.

    A page on the internet can let its own name point to this machine. So a name other than that of this machine is
    refused; an address is accepted. A browser names the site that sends a request in the header `Origin`.

    Args:
        headers: headers of the request.
        host: host on which the server listens.

    Raises:
        RequestError: the request was sent to another name than that of this machine, or by another site.
    """
    called = headers.get("host", "")
    name = _host_name(f"//{called}")
    if name not in {"localhost", host.lower(), socket.gethostname().lower()} and not _is_address(name):
        raise RequestError("the request names another host than this machine. Use its address, such as 127.0.0.1", 403)
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != called.lower():
        raise RequestError("a page of another site sent the request. Open the page of this server instead", 403)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server on a host.

    Args:
        host: name or address of the host.
    """
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _host_name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # not a valid address
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
