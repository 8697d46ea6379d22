"""PostgreSQL, an S3-compatible store and an MLflow server on this machine, as a team has them on a server.

It is the set-up of docs/team/compose.yaml by hand: PostgreSQL is the package of the system, the store is moto's server.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import psycopg

from mlflow_server import QUICK_SERVER, stop, wait_for_answer
from processes import ENVIRONMENT

USER = "microfacial"
BUCKETS = ("mlflow", "dvc")
POSTGRES = "/usr/lib/postgresql"
_FAKE_KEYS = {"aws_access_key_id": "member", "aws_secret_access_key": "member"}


@dataclass(frozen=True)
class Services:
    """The services of a team.

    Attributes:
        postgres: address of PostgreSQL without the name of a database and without a password.
        s3: address of the store.
        mlflow: address of the MLflow server.
        environment: variables of a member of the team, with the places of the secrets.
    """

    postgres: str
    s3: str
    mlflow: str
    environment: Mapping[str, str]

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """Open a database as a member does."""
        os.environ["PGPASSFILE"] = self.environment["PGPASSFILE"]
        return psycopg.connect(f"{self.postgres}/{database}")

    def list_keys(self, bucket: str) -> list[str]:
        """Return the names of the objects in a bucket."""
        store = boto3.client("s3", endpoint_url=self.s3, region_name="us-east-1", **_FAKE_KEYS)
        return [entry["Key"] for entry in store.list_objects_v2(Bucket=bucket).get("Contents", ())]


def find_missing_service() -> str:
    """Return what has to be installed before the services can start, in one line. Empty if nothing is missing."""
    if _find_postgres() is None:
        return "PostgreSQL is not installed. Run `apt-get install postgresql` as root"
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        return "runuser is not installed, and root cannot run PostgreSQL. Run `apt-get install util-linux` as root"
    return ""


def _find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs: in Debian outside of the path, one folder per version."""
    known = sorted(Path(POSTGRES).glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    in_path = shutil.which("initdb")
    return known[-1].parent if known else Path(in_path).parent if in_path else None


@contextmanager
def running_services(ports: tuple[int, int, int]) -> Iterator[Services]:
    """Start the services. They end with the block, and leave nothing behind.

    Args:
        ports: unused ports of PostgreSQL, the store and MLflow.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="microfacial-services-")))
        folder.chmod(0o755)  # the user postgres has to enter it
        password = secrets.token_hex(16)
        pgpass, credentials = folder / "pgpass", folder / "s3_credentials"
        _write_secret(pgpass, f"*:*:*:{USER}:{password}\n")
        lines = "".join(f"{name} = {value}\n" for name, value in _FAKE_KEYS.items())
        _write_secret(credentials, f"[default]\n{lines}")
        s3 = f"http://127.0.0.1:{ports[1]}"
        environment = {
            **ENVIRONMENT,
            "PGPASSFILE": str(pgpass),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": s3,
        }
        postgres = stack.enter_context(_running_postgres(folder, ports[0], password))
        stack.enter_context(_running_store(folder, ports[1]))
        mlflow = stack.enter_context(_running_mlflow(folder, ports[2], f"{postgres}/mlflow", environment))
        member = {name: value for name, value in environment.items() if name != "MLFLOW_S3_ENDPOINT_URL"}
        yield Services(postgres, s3, mlflow, {**member, "MLFLOW_TRACKING_URI": mlflow})


def _write_secret(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


@contextmanager
def _running_postgres(folder: Path, port: int, password: str) -> Iterator[str]:
    programs = _find_postgres()
    assert programs is not None
    data = folder / "postgres"
    data.mkdir()
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(data, "postgres", "postgres")
        as_user = ("runuser", "--user", "postgres", "--")
    secret = data.with_name("new_password")
    _write_secret(secret, password)
    if as_user:
        shutil.chown(secret, "postgres")
    options = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}")
    cluster = data / "cluster"
    _call(folder, *as_user, str(programs / "initdb"), *options, "--no-sync", "--pgdata", str(cluster))
    secret.unlink()
    settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
    control = (*as_user, str(programs / "pg_ctl"), "--pgdata", str(cluster), "--wait")
    _call(folder, *control, "--timeout=300", "--options", settings, "--log", str(data / "log"), "start")
    try:
        with psycopg.connect(f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres", autocommit=True) as database:
            for name in ("mlflow", "studies"):
                database.execute(f"CREATE DATABASE {name}")
        yield f"postgresql://{USER}@127.0.0.1:{port}"
    finally:
        _call(folder, *control, "--mode=immediate", "stop")


def _call(folder: Path, *command: str) -> None:
    log = folder / "set-up.log"
    with log.open("ab") as output:
        done = subprocess.run(command, cwd="/", stdout=output, stderr=output, check=False)
    assert done.returncode == 0, log.read_text()


@contextmanager
def _running_store(folder: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with _running(folder / "s3.log", command, ENVIRONMENT):
        _wait_for(f"http://127.0.0.1:{port}/moto-api/")
        store = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **_FAKE_KEYS)
        for name in BUCKETS:
            store.create_bucket(Bucket=name)
        yield


@contextmanager
def _running_mlflow(folder: Path, port: int, database: str, environment: Mapping[str, str]) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--serve-artifacts"]
    command += ["--backend-store-uri", database, "--artifacts-destination", "s3://mlflow"]
    with _running(folder / "mlflow.log", command, {**environment, **QUICK_SERVER}):
        wait_for_answer(f"{address}/health")
        yield address


@contextmanager
def _running(log: Path, command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        yield
    finally:
        stop(process)


def _wait_for(address: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except OSError:
            assert time.monotonic() < end, f"{address} does not answer"
            time.sleep(0.5)
