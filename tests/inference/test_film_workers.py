"""Processes that answer films: a time limit for several films, and the package that the processes import."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from microfacial.inference.film_jobs import FilmJob
from microfacial.inference.film_workers import FilmWorkers
from microfacial.inference.request_limits import RequestLimits
from processes import ENVIRONMENT
from stub_answers import answer_stub


@pytest.fixture
def workers() -> Iterator[FilmWorkers]:
    workers = FilmWorkers(answer_stub, RequestLimits(), 1, ())
    workers.start()
    yield workers
    workers.close()


def test_films_that_are_not_answered_in_the_time_of_their_request_fail(workers: FilmWorkers, tmp_path: Path) -> None:
    jobs = [FilmJob(name=f"film {number}", path=tmp_path / "clip", fps=None, model="sleep") for number in range(2)]
    outcomes = asyncio.run(workers.answer_all(jobs, seconds=0.25))  # the second film waits for the only process
    assert [outcome.status for outcome in outcomes] == [413, 413]
    assert [json.loads(outcome.rows[0])["error"].partition(" s ")[0] for outcome in outcomes] == [
        "film 0 takes more than 0.25",
        "film 1 takes more than 0.25",
    ]


ELSEWHERE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import answers_elsewhere
from microfacial.inference.film_jobs import FilmJob
from microfacial.inference.film_workers import FilmWorkers
from microfacial.inference.request_limits import RequestLimits
workers = FilmWorkers(answers_elsewhere.answer, RequestLimits(), 1, ("answers_elsewhere",))
workers.start()
job = FilmJob(name="film", path=Path(sys.argv[1]) / "frames", fps=None)
(outcome,) = asyncio.run(workers.answer_all([job]))
workers.close()
print(outcome.rows[0])
"""
ANSWER = """
import os
LOADED_IN = os.getpid()
def answer(job):
    return [{"file": __file__, "preloaded": LOADED_IN != os.getpid()}]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS never copies processes")
def test_copied_processes_have_the_search_path_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "answers_elsewhere.py").write_text(ANSWER)
    (tmp_path / "frames").mkdir()
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(tmp_path / "answers_elsewhere.py"), "preloaded": True}
