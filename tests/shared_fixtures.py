"""Fixtures: data in the layouts of the real releases, and projects on the demo."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import asdict
from functools import cache, partialmethod
from io import TextIOBase
from pathlib import Path
from typing import Any

import cv2
import mlflow.store.db.utils
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from openpyxl import Workbook
from threadpoolctl import threadpool_limits

from fakes import CASME2_HEADER, ROOT, TINY_PARAMS, Row, WriteCasme2, WriteMaps, texture
from microfacial import files
from microfacial.api.features import Features, load_features
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.datasets.synthetic.write import write_demo
from microfacial.evaluation.experiment import load_data, run_folds, score
from microfacial.evaluation.folds import train_chunk
from microfacial.evaluation.protocols import plan_folds
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.pipeline.config import load
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import clips, faces, flow
from microfacial.records import Samples
from microfacial.tracking.store import connect
from shared_folders import build_once

# Each core has its own process of tests, and waiting threads would use the other core.
torch.set_num_threads(1)
cv2.setNumThreads(1)
threadpool_limits(1)

# MLflow reads all of its migrations whenever a store is opened, to know the latest of them.
mlflow.store.db.utils._get_latest_schema_revision = cache(mlflow.store.db.utils._get_latest_schema_revision)

_BLANK_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt" viewBox="0 0 72 72"/>'
_BLANK_PNG = cv2.imencode(".png", np.full((1, 1), 255, np.uint8))[1].tobytes()


@pytest.fixture(autouse=True)
def blank_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write PNG and SVG figures as blank images: matplotlib takes a second for each.

    Tests with the marker `figures` or `slow` write the real figures.
    """
    if not any(map(request.node.get_closest_marker, ("figures", "slow"))):
        monkeypatch.setattr(Figure, "savefig", partialmethod(_write_blank, Figure.savefig))


def _write_blank(figure: Figure, save: Callable[..., None], target: Any, **options: Any) -> None:
    form = options.get("format") or Path(target).suffix[1:]
    blank = {"svg": _BLANK_SVG, "png": _BLANK_PNG}.get(form)
    if blank is None:  # the pixels of a page of pictures
        save(figure, target, **options)
    elif isinstance(target, str | Path):
        Path(target).write_bytes(blank)
    else:
        target.write(blank.decode() if isinstance(target, TextIOBase) else blank)


@pytest.fixture
def write_casme2(tmp_path: Path) -> WriteCasme2:
    """Return a function that writes CASME II: a sheet with blank columns and text subjects, and the frames."""

    def write(rows: Sequence[Row]) -> Path:
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.append([*CASME2_HEADER, "Estimated Emotion"])
        root = tmp_path / "casme2"
        for subject, name, onset, apex, offset, units, emotion in rows:
            sheet.append([subject, name, None, onset, apex, offset, None, units, emotion])
            folder = root / "Cropped" / f"sub{subject}" / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(onset, offset + 1):
                cv2.imwrite(str(folder / f"reg_img{number}.jpg"), texture(85, 70, number))
        book.save(root / "CASME2-coding-20190701.xlsx")
        return root

    return write


@pytest.fixture
def write_maps(tmp_path: Path) -> WriteMaps:
    """Return a function that writes flow maps in the layout of HTNet, given counts by subject. Labels alternate."""

    def write(counts: dict[str, int]) -> Path:
        random = np.random.default_rng(0)
        for subject, count in counts.items():
            for number in range(count):
                folder = tmp_path / "flow_maps" / subject / "u_test" / str(number % 3)
                folder.mkdir(parents=True, exist_ok=True)
                image = random.integers(0, 256, (28, 28, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / f"{subject}_{number} .png"), image)
        return tmp_path / "flow_maps"

    return write


@pytest.fixture
def samples() -> Samples:
    """Return samples of six subjects with four clips and one with one clip. Only two subjects have class 2 of three."""
    random = np.random.default_rng(0)
    labels = np.array([0, 1, 0, 1] * 4 + [0, 1, 2, 2] * 2 + [0])
    subjects = np.array([f"a/{number // 4}" for number in range(24)] + ["b/0"])
    inputs = random.normal(size=(25, 2, 3, 16, 16)).astype(np.float32)
    inputs[:, 0, 0] += labels[:, None, None]
    return Samples(
        inputs=inputs,
        labels=labels,
        subjects=subjects,
        corpora=np.array([subject.split("/")[0] for subject in subjects]),
        clips=np.array([f"{subject}/{row}" for row, subject in enumerate(subjects)]),
        active=np.zeros((25, 2), dtype=np.bool_),
        classes=("x", "y", "z"),
    )


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the smallest useful demo."""
    plan = DemoPlan(identities=4, clips_per_identity=3, others=1, frames=(6, 9), width_px=70)
    return build_once(tmp_path_factory, "corpora", lambda folder: write_demo(folder / "demo", plan)) / "demo"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without runs. Copying it is faster than making one."""

    def build(root: Path) -> None:
        root.mkdir()
        connect(root)

    return build_once(tmp_path_factory, "store", build) / "mlruns" / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path, tiny_demo: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project folder with the tiny demo. It is the current folder of the test."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "params.yaml").write_text(TINY_PARAMS)
    for name in ("dvc.yaml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "src").symlink_to(ROOT / "src")
    shutil.copytree(tiny_demo, tmp_path / "data" / "demo")
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def computed(tmp_path_factory: pytest.TempPathFactory, tiny_demo: Path) -> Path:
    """Return a project on the tiny demo, computed up to the flow. Tests must not write into it."""

    def build(root: Path) -> None:
        root.mkdir()
        (root / "params.yaml").write_text(TINY_PARAMS)
        shutil.copy(ROOT / "dvc.yaml", root)
        (root / "src").symlink_to(ROOT / "src")
        shutil.copytree(tiny_demo, root / "data" / "demo")
        with chdir(root):
            project = open_project()
            clips.run_clips(project)
            faces.run_faces(project)
            flow.run_flow(project, processes=1)

    return build_once(tmp_path_factory, "computed", build)


@pytest.fixture(scope="session")
def features(computed: Path) -> Features:
    """Return the faces and flow of the tiny demo for the Python API."""
    return load_features(computed)


@pytest.fixture(scope="session")
def trained(computed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.float64]]:
    """Return the checkpoint of the fold that tests on the first clip, and its prediction for that clip."""
    config, data = load(computed / "params.yaml"), load_data(computed)
    settings = config.models["roi_cnn"]
    samples = make_samples(MODELS["roi_cnn"].make_inputs(data.store, settings), data.store, data.clips, data.classes)
    plan = plan_folds(samples, data.protocol)[0]
    (fold,) = train_chunk(samples, (plan,), "roi_cnn", settings, checkpoints=True)
    out = tmp_path_factory.mktemp("results") / "train" / "roi_cnn"
    sections = {
        "faces": config.faces.model_dump(mode="json"),
        "flow": config.flow.model_dump(mode="json"),
        "models": {"roi_cnn": settings.model_dump(mode="json")},
    }
    files.write_json(out / "settings.json", sections)
    files.write_json(out / "evaluation.json", asdict(score(data, list(run_folds(data, "majority")), "roi_cnn")))
    path = out / "checkpoints" / f"{files.as_file_name(plan.key)}.npz"
    files.write_arrays(path, fold.checkpoint)
    return path, fold.probabilities[0]
