"""The services of a team in docs/team: versions, secrets, and what is reachable from outside."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import yaml

from fakes import ROOT

TEAM = ROOT / "docs" / "team"
COMPOSE = yaml.safe_load((TEAM / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_packages_of_the_image_have_the_pinned_versions() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    dockerfile = COMPOSE["x-team-image"]["build"]["dockerfile_inline"]
    installed = dict(re.findall(r"([\w-]+)(?:\[\w+\])?==([\w.]+)", dockerfile))
    assert installed.keys() == {"mlflow", "optuna", "optuna-dashboard", "psycopg", "boto3"}
    assert installed.items() <= pins.items()


def test_every_port_is_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_that_stays_has_a_health_check_and_starts_again() -> None:
    for name, service in SERVICES.items():
        if name == "buckets":
            assert service["restart"] == "on-failure"
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"][0] == "CMD"


def test_the_script_writes_every_secret_for_its_owner_only_and_replaces_none(tmp_path: Path) -> None:
    shutil.copy(TEAM / "make_secrets.sh", tmp_path)
    command = ["sh", str(tmp_path / "make_secrets.sh")]
    subprocess.run(command, check=True, capture_output=True)
    files = {entry["file"] for entry in COMPOSE["secrets"].values()}
    assert files == {f"secrets/{path.name}" for path in (tmp_path / "secrets").iterdir() if path.name != ".gitignore"}
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    password = (tmp_path / "secrets" / "postgres_password").read_text()
    assert re.fullmatch("[0-9a-f]{48}", password)
    assert (tmp_path / "secrets" / "pgpass").read_text() == f"*:*:*:microfacial:{password}\n"
    (identity,) = yaml.safe_load((tmp_path / "secrets" / "s3_identities.json").read_text())["identities"]
    credentials = (tmp_path / "secrets" / "s3_credentials").read_text()
    for key in identity["credentials"][0].values():
        assert key in credentials
    again = subprocess.run(command, check=False, capture_output=True)
    assert again.returncode == 2
    assert (tmp_path / "secrets" / "postgres_password").read_text() == password


def test_services_name_the_secrets_that_they_read() -> None:
    for service in SERVICES.values():
        read = set(re.findall(r"/run/secrets/(\w+)", str({**service, "secrets": ()})))
        assert read == set(service.get("secrets", ()))
    assert {name for service in SERVICES.values() for name in service.get("secrets", ())} == COMPOSE["secrets"].keys()
