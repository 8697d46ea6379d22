"""Kill a command at its writes, start it again, and print the state of the project after each restart.

A write is a rename of a finished file or folder, or a commit of MLflow's database. Each line of the output is JSON.
The commands run in forks of this process, which has imported the package. A new Python would need seconds for each.
"""

import hashlib
import json
import os
import pkgutil
import shutil
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

import microfacial
from microfacial.inference import cost
from microfacial.inference.example_input import make_example_clip
from microfacial.pipeline.cli import run_command_line
from microfacial.source_code import PACKAGE, package_digest
from microfacial.tracking.model_versions import Registry
from microfacial.tracking.store import connect

KILLS = 8
NAME = "tiny.casme2-4"


def main(project: Path, template: Path, *command: str) -> None:
    """Kill the command at `KILLS` of its writes, spread evenly from the first write to the last.

    Args:
        project: folder in which the command runs. It is replaced by a copy of `template` before each kill, because
            MLflow stores the absolute path of artifacts.
        template: the state of the project before the command.
        command: arguments of `microfacial`.
    """
    for module in pkgutil.walk_packages(microfacial.__path__, "microfacial."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    make_example_clip()  # forks inherit it, as they inherit the digests of the code
    package_digest(PACKAGE)
    cost._ROUNDS = 1
    counter = project.with_name("writes.txt")
    restore(project, template)
    status = fork(project, lambda: execute(command, count_writes(counter, None)))
    writes = len(counter.read_text())
    report(project, writes=writes, status=status)
    for number in sorted({1 + round(step * (writes - 1) / (KILLS - 1)) for step in range(KILLS)}):
        restore(project, template)
        killed = fork(project, lambda limit=number: execute(command, count_writes(counter, limit)))  # type: ignore[misc]
        status = fork(project, lambda: execute(command, lambda: None))
        report(project, write=number, killed=killed, status=status)


def restore(project: Path, template: Path) -> None:
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(template, project, symlinks=True)


def fork(project: Path, action: Callable[[], int]) -> int:
    """Run an action in a fork, in the folder of the project, and return its exit status. A kill gives −9."""
    process = os.fork()
    if process == 0:
        os.chdir(project)
        log = os.open(project / "run.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            status = action()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def execute(command: tuple[str, ...], prepare: Callable[[], None]) -> int:
    """Run a command of the package and return its exit code."""
    prepare()
    sys.argv = ["microfacial", *command]
    try:
        run_command_line()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def count_writes(counter: Path, limit: int | None) -> Callable[[], None]:
    """Return a function that counts all later writes in a file, and kills the process before the write `limit`."""

    def prepare() -> None:
        counter.write_text("")
        replace = Path.replace

        def count(*_: object) -> None:
            with counter.open("a") as text:
                text.write(".")
            if limit is not None and counter.stat().st_size >= limit:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted(path: Path, target: Path) -> Path:
            count()
            return replace(path, target)

        Path.replace = counted  # type: ignore[method-assign, assignment]
        event.listen(Engine, "commit", count)

    return prepare


def report(project: Path, **facts: int) -> None:
    """Print facts and the state of the project. A fork reads the state: forks must not inherit an open database."""
    path = project.with_name("state.json")
    assert fork(project, lambda: path.write_text(json.dumps(describe(project))) and 0) == 0
    print(json.dumps({**facts, "state": json.loads(path.read_text())}), flush=True)


def describe(project: Path) -> dict[str, object]:
    """Return the registered versions, the decisions, the model runs and the result files of the project."""
    client = connect(project)
    registry = Registry(client, NAME)
    champion, challenger = registry.find("champion"), registry.find("challenger")
    runs = [
        run
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id], "tags.`microfacial.role` = 'model'")
    ]
    results = project / "results" / "tiny"
    return {
        "champion": champion and champion.version,
        "challenger": challenger and challenger.version,
        "decisions": {str(version): len(decisions) for version, decisions in registry.decisions().items()},
        "runs": sorted((run.data.tags["microfacial.model"], run.info.status) for run in runs),
        "files": {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in ("train", "reports")
            for path in sorted((results / folder).rglob("*"))
            if path.is_file() and path.name not in ("run.json", "timing.json")
        },
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
