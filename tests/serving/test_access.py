"""Senders of requests, and folders of servers that were killed."""

import os
from pathlib import Path

import pytest

from microfacial.errors import RequestError
from microfacial.serving.access import check_sender, is_loopback
from microfacial.serving.scratch_folders import delete_abandoned_folders


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.0.1", "::1", "LOCALHOST")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.example.org", "")),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "192.168.1.5:8000"},
        {"host": "192.168.1.5:8000", "origin": "http://192.168.1.5:8000"},
        {"host": "faces.example.org", "origin": "https://FACES.example.org"},
        {"host": "[fe80::1]:8000"},
    ],
)
def test_addresses_and_the_chosen_host_are_accepted(headers: dict[str, str]) -> None:
    check_sender(headers, "faces.example.org")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example"},
        {"host": "faces.example.org.evil.example"},
        {"host": "[::1"},
        {"host": "localhost:8000", "origin": "http://localhost:9000"},
        {"host": "127.0.0.1", "origin": "http://evil.example"},
        {"host": "127.0.0.1", "origin": "null"},
        {"host": "127.0.0.1", "origin": "http://[bad"},
    ],
)
def test_other_names_and_other_sites_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(RequestError) as raised:
        check_sender(headers, "faces.example.org")
    assert raised.value.status == 403


def test_only_folders_of_servers_that_no_longer_run_are_deleted(tmp_path: Path) -> None:
    gone, running = 2**22 + 12345, os.getpid()  # Linux gives no higher number than 2**22
    names = [f"microfacial-server-{gone}-ab_1", f"microfacial-server-{running}-ab", "microfacial-server-x", "other"]
    for name in names:
        (tmp_path / name / "request").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    link = tmp_path / f"microfacial-server-{gone}-link"
    link.symlink_to(tmp_path / "target")
    delete_abandoned_folders(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:], "target", link.name}
