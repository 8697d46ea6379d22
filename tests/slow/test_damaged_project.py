"""Damaged files of DVC and git stop `repro` with exit code 2 and one line of this package. No data version changes."""

import shutil
from pathlib import Path

import pytest

from processes import microfacial

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dvc.yaml", b"stages: [\n"),
        ("dvc.yaml", b"\xff\xfe\x00"),
        ("dvc.lock", b"<<<<<<< HEAD\nschema: '2.0'\n=======\n>>>>>>> other\n"),
        ("dvc.lock", b"schema: '9.0'\nstages: 5\n"),
        ("data.dvc", b"outs: []\n"),
        (".dvc/config", b"[core\n"),
    ],
)
def test_a_damaged_file_stops_the_pipeline_with_one_line(tiny_checkout: Path, file: str, content: bytes) -> None:
    recorded = (tiny_checkout / "data.dvc").read_bytes()
    (tiny_checkout / file).write_bytes(content)
    done = microfacial(tiny_checkout, "repro")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("microfacial: ") for line in done.stderr.splitlines()) == 1
    assert (tiny_checkout / "data.dvc").read_bytes() in (recorded, content)


def test_another_corpus_in_data_is_refused_with_an_empty_cache_and_data_dvc_stays(tiny_checkout: Path) -> None:
    shutil.rmtree(tiny_checkout / ".dvc" / "cache")
    recorded = (tiny_checkout / "data.dvc").read_bytes()
    shutil.rmtree(tiny_checkout / "data" / "demo" / "Cropped" / "sub02")
    for command in ("doctor", "repro"):
        done = microfacial(tiny_checkout, command)
        assert done.returncode == 2
        assert "data/ is not the version in data.dvc" in done.stdout + done.stderr
    assert (tiny_checkout / "data.dvc").read_bytes() == recorded
