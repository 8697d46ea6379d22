import shutil
from pathlib import Path

import pytest

from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import flow
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips


def test_flow_is_collected_next_to_results_on_another_file_system(
    computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scratch file is moved by a rename, which works on one file system only."""
    root = Path(shutil.copytree(computed, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    expected = {path.name: path.read_bytes() for path in Path("results/tiny/flow").iterdir()}
    shutil.rmtree("results/tiny/flow")
    folders = []

    def record(*arguments: object, **options: object) -> object:
        folders.append(options["folder"])
        return compute_flow_of_clips(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "compute_flow_of_clips", record)
    monkeypatch.setattr(flow, "on_same_file_system", lambda *_: False)
    flow.run_flow(open_project(), processes=1)
    assert folders == [Path("results/tiny/.unfinished-flow")]
    assert {path.name: path.read_bytes() for path in Path("results/tiny/flow").iterdir()} == expected
    assert not Path("results/tiny/.unfinished-flow").exists()
