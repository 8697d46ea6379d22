"""No load path unpickles. Every file is replaced by a pickle that would leave a trace."""

import ast
import io
import pickle
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import ROOT, make_clip
from microfacial.api.features import load_features
from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.flow_maps import open_flow_maps
from microfacial.datasets.frames import read_frames
from microfacial.errors import MicrofacialError
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.evaluation.result_files import read_evaluation
from microfacial.inference.bundle import BUNDLE, write_bundle
from microfacial.inference.choose_model import open_bundle
from microfacial.inference.predict import load_fold
from microfacial.inference.read import read_map
from microfacial.models.prior import MotionPrior
from microfacial.preprocessing.clip_cache import ClipCache
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.store import FEATURE_FILES
from microfacial.records import FoldPlan
from microfacial.tuning.optuna_storage import StudyStorage, find_studies
from microfacial.tuning.settings import StudyConfig

PLAN = FoldPlan(
    name="c/s", repeat=0, seed=0, test_rows=np.arange(1), training_rows=np.arange(1), validation_fold=np.arange(1)
)
FACES = FacesConfig(method="whole", regions="grid-28", size_px=28)
FLOW = FlowConfig(method="published")
SQLITE = StudyConfig.model_validate({"storage": "sqlite"})
UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal"}
UNPICKLING = {("joblib", "load"), ("torch", "load"), ("np", "load"), ("pd", "read_pickle"), ("torch", "jit")}


class Trap:
    """An object whose pickle creates a file when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


def as_numpy(trap: Trap, save: Callable[..., None], **names: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *([] if names else [np.array([trap])]), **names)
    return stream.getvalue()


def as_torch(trap: Trap) -> bytes:
    """Return a file as `torch.save` writes it: a zip archive with data.pkl."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(trap))
        archive.writestr("archive/version", b"3\n")
    return stream.getvalue()


FORMS: dict[str, Callable[[Trap], bytes]] = {
    "pickle": pickle.dumps,
    "npy": lambda trap: as_numpy(trap, np.save),
    "npz": lambda trap: as_numpy(trap, np.savez, flow=np.array([trap]), shape=np.array([trap]), plan=np.array([trap])),
    "torch": as_torch,
}


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    """Return the trap. After the test, no trace of it may exist."""
    trap = Trap(tmp_path / "trace")
    yield trap
    assert not trap.trace.exists()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


LOADERS: dict[str, Callable[[Path, bytes], object]] = {
    "bundle facts": lambda folder, content: open_bundle(write(folder / "bundle.json", content).parent),
    "bundle digests": lambda folder, content: open_bundle(
        write(write(folder / "SHA256SUMS", content).with_name("bundle.json"), b"{}").parent
    ),
    "prior": lambda folder, content: MotionPrior.read(write(folder / "prior.safetensors", content), sha256=""),
    "fold cache": lambda folder, content: FoldCache(
        write(folder / "key" / "c-s#0.npz", content).parent.parent, "key"
    ).read(PLAN),
    "clip cache": lambda folder, content: ClipCache(write(folder / "ke" / "key.npz", content).parent.parent).read(
        "key", ("flow",)
    ),
    "clips": lambda folder, content: read_clips(write(folder / "clips.csv", content)),
    "evaluation": lambda folder, content: read_evaluation(write(folder / "evaluation.json", content).parent),
    "frame": lambda folder, content: read_frames(
        make_clip(frames="{}.jpg"), write(folder / "1.jpg", content).parent, [1]
    ),
    "video": lambda folder, content: read_frames(
        make_clip(frames="a.avi"), write(folder / "a.avi", content).parent, [1]
    ),
    "flow map": lambda folder, content: read_map(write(folder / "map.png", content), faces=FACES, flow=FLOW),
    "journal of studies": lambda folder, content: find_studies(
        StudyStorage(write(folder / "mlruns" / "studies.journal", content).parent.parent, StudyConfig()), "demo"
    ),
    "database of studies": lambda folder, content: find_studies(
        StudyStorage(
            write(folder / "mlruns" / "studies.db", content).parent.parent,
            StudyConfig.model_validate({"storage": "sqlite"}),
        ),
        "demo",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_trap_works(tmp_path: Path, form: str) -> None:
    trap = Trap(tmp_path / "trace")
    content = FORMS[form](trap)
    if form == "torch":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            pickle.loads(archive.read("archive/data.pkl"))
    elif form == "pickle":
        pickle.loads(content)
    else:
        loaded = np.load(io.BytesIO(content), allow_pickle=True)
        assert form == "npy" or loaded["flow"] is not None
    assert trap.trace.exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loader", LOADERS)
def test_a_planted_pickle_is_refused_and_not_read(tmp_path: Path, trap: Trap, loader: str, form: str) -> None:
    with pytest.raises(MicrofacialError):
        LOADERS[loader](tmp_path / "planted", FORMS[form](trap))


@pytest.mark.parametrize("name", FEATURE_FILES)
def test_features_with_a_planted_pickle_are_refused(computed: Path, tmp_path: Path, trap: Trap, name: str) -> None:
    root = Path(shutil.copytree(computed, tmp_path / "project", symlinks=True))
    for make in FORMS.values():
        (root / "results" / "tiny" / name).write_bytes(make(trap))
        with pytest.raises(MicrofacialError):
            load_features(root)


@pytest.mark.parametrize("name", ["checkpoints/demo-sub01#0.npz", "settings.json", "evaluation.json"])
def test_a_fold_with_a_planted_pickle_is_refused(
    trained: tuple[Path, Any], tmp_path: Path, trap: Trap, name: str
) -> None:
    checkpoint = trained[0]
    folder = Path(shutil.copytree(checkpoint.parent.parent, tmp_path / "roi_cnn"))
    copy = folder / "checkpoints" / checkpoint.name
    planted = copy if name.startswith("checkpoints") else folder / name
    for make in FORMS.values():
        planted.write_bytes(make(trap))
        with pytest.raises(MicrofacialError):
            load_fold(copy)


def test_weights_and_a_model_of_mlflow_with_planted_pickles(tmp_path: Path, trap: Trap) -> None:
    """A version is read from its bundle. MLflow's own description of the model is not followed."""
    version = tmp_path / "version"
    inner = version / BUNDLE
    sections = {
        "faces": FACES.model_dump(mode="json"),
        "flow": FLOW.model_dump(mode="json"),
        "models": {"majority": {}},
    }
    write_bundle(inner, sections, ("x", "y"), [{"frequencies": np.array([0.5, 0.5]), "shape": np.array([0])}])
    loader = {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl", "cloudpickle_version": "3.0"}
    lines = "".join(f"    {key}: {value}\n" for key, value in loader.items())
    (version / "MLmodel").write_text(f"flavors:\n  python_function:\n{lines}")
    for name in ("python_model.pkl", "model.pkl", "data.pkl"):
        (version / name).write_bytes(pickle.dumps(trap))
    assert open_bundle(version).note.name == "majority"
    (inner / "SHA256SUMS").unlink()
    facts = (inner / "bundle.json").read_text().replace('"digests": "SHA256SUMS"', '"digests": null')
    (inner / "bundle.json").write_text(facts)
    for make in FORMS.values():
        (inner / "weights.safetensors").write_bytes(make(trap))
        with pytest.raises(MicrofacialError):
            open_bundle(version)


def test_a_pickle_in_a_column_of_the_database_of_studies_is_not_read(tmp_path: Path, trap: Trap) -> None:
    StudyStorage(tmp_path, SQLITE).open()
    with closing(sqlite3.connect(tmp_path / "mlruns" / "studies.db")) as database:
        database.execute("INSERT INTO studies (study_id, study_name) VALUES (1, 'demo')")
        insert = "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, 'facts', ?)"
        database.execute(insert, (pickle.dumps(trap),))
        database.commit()
    with pytest.raises(MicrofacialError):
        find_studies(StudyStorage(tmp_path, SQLITE), "demo")


def test_maps_of_a_corpus_may_be_pickles_and_are_not_read_as_such(tmp_path: Path, trap: Trap) -> None:
    path = write(tmp_path / "flow_maps" / "sub01" / "u_test" / "0" / "sub01_1 .png", pickle.dumps(trap))
    release = open_flow_maps(tmp_path / "flow_maps")
    assert len(release.rows) == 1
    with pytest.raises(MicrofacialError):
        read_map(path, faces=FACES, flow=FLOW)


def find_unpicklers(source: str) -> set[str]:
    """Return the modules and functions in a source text that can unpickle."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in UNPICKLERS}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            found.add(str(node.module))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {f"{node.value.id}.{node.attr}"} if (node.value.id, node.attr) in UNPICKLING else set()
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found |= set() if isinstance(node.value, ast.Constant) and node.value.value is False else {"allow_pickle"}
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", {"pickle"}),
        ("from dill import load", {"dill"}),
        ("np.load(path)", {"np.load"}),
        ("torch.load(path, weights_only=False)", {"torch.load"}),
        ("read(path, allow_pickle=True)", {"allow_pickle"}),
        ("read(path, allow_pickle=flag)", {"allow_pickle"}),
        ("read(path, allow_pickle=False)", set()),
        ("import json", set()),
    ],
)
def test_unpicklers_are_found_in_source(source: str, found: set[str]) -> None:
    assert find_unpicklers(source) == found


def test_the_package_has_no_code_that_can_unpickle() -> None:
    package = ROOT / "src" / "microfacial"
    writers = {"dask_backend.py": {"pickle"}}  # measures the size of a pickled object, and reads none
    assert {
        path.name: found for path in package.rglob("*.py") if (found := find_unpicklers(path.read_text()))
    } == writers
