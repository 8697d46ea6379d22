"""Every file that a stage writes is damaged in every way, and the reader of the next stage names the file."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import TINY_PARAMS
from microfacial.datasets.clip_table import read_clips
from microfacial.errors import MicrofacialError, StorageError
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.evaluation.model_results import read_model_results
from microfacial.evaluation.oracle import read_oracle
from microfacial.evaluation.protocols import TrainConfig
from microfacial.files import read_arrays
from microfacial.inference.predict import load_fold
from microfacial.pipeline.leaderboard import read_leaderboard
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.flow import run_flow
from microfacial.pipeline.stages.train import run_train
from microfacial.preprocessing.store import read_faces_of, read_features
from microfacial.records import FoldPlan
from microfacial.tracking.fold_records import read_folds
from microfacial.tracking.run_records import read_identity, read_metadata

pytestmark = pytest.mark.slow

MODEL = "hybrid"
RESULTS, STATE = Path("results/tiny"), Path(".microfacial/tiny")
TRAIN = RESULTS / "train" / MODEL
HYBRID = {"input_px": 8, "width": 8, "heads": 2, "epochs": 2, "patience": 2}


@pytest.fixture(scope="module")
def finished(computed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a project in which one model has been trained. It is the current folder. Tests restore its files."""
    root = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(computed, root, symlinks=True)
    content = yaml.safe_load(TINY_PARAMS)
    content["train"] |= {"oracle": True, "checkpoints": True}
    content["models"] = {MODEL: HYBRID}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    (root / "mlruns").mkdir(exist_ok=True)
    with chdir(root):
        run_train(open_project(), MODEL, processes=1)
        yield root


def first(pattern: str) -> Path:
    return sorted(Path().glob(pattern))[0]


def plan_of(file: Path) -> FoldPlan:
    """Return the plan of the fold in a file of an oracle, which is also the first fold in the cache."""
    arrays, rows = read_arrays(file), read_arrays(first(FOLD))["test_rows"]
    name, repeat = str(arrays["name"]), int(arrays["repeat"])
    return FoldPlan(name=name, repeat=repeat, seed=0, test_rows=rows, training_rows=rows, validation_fold=rows)


ORACLE, FOLD = f"{STATE}/oracle/{MODEL}/*/*.npz", f"{STATE}/folds/{MODEL}/*/*.npz"
CHECKPOINT = f"{TRAIN}/checkpoints/*.npz"


def read_fold(plan: FoldPlan) -> None:
    FoldCache(first(FOLD).parent.parent, first(FOLD).parent.name).read(plan)


def read_training(plan: FoldPlan) -> None:
    read_model_results(RESULTS / "train", [MODEL], TrainConfig())
    list(read_folds(TRAIN))


def read_flow_input(plan: FoldPlan) -> None:
    """Read faces and clips as the stage `flow` does."""
    read_faces_of(RESULTS / "faces", read_clips(RESULTS / "clips.csv"), only=True)


READERS: dict[str, Callable[[FoldPlan], object]] = {
    f"{RESULTS}/clips.csv": lambda _: read_features(RESULTS),
    f"{RESULTS}/faces/faces.json": read_flow_input,
    f"{RESULTS}/faces/crops.npy": lambda _: read_features(RESULTS),
    f"{RESULTS}/flow/flow.npy": lambda _: read_features(RESULTS),
    f"{RESULTS}/flow/index.json": lambda _: read_features(RESULTS),
    f"{TRAIN}/evaluation.json": read_training,
    f"{TRAIN}/predictions.csv": read_training,
    f"{TRAIN}/folds.csv": read_training,
    f"{TRAIN}/history.csv": read_training,
    f"{TRAIN}/importances.npz": read_training,
    f"{TRAIN}/settings.json": read_training,
    f"{TRAIN}/oracle.json": read_training,
    f"{TRAIN}/run.json": lambda _: read_identity(TRAIN),
    CHECKPOINT: lambda _: load_fold(first(CHECKPOINT)),
    f"{STATE}/seconds/{MODEL}.json": lambda _: read_leaderboard(open_project()),
    f"{STATE}/runs/{MODEL}/*.json": lambda _: read_metadata(Path(".microfacial"), read_identity(TRAIN)),
    FOLD: read_fold,
    ORACLE: lambda plan: read_oracle(first(ORACLE).parent, [plan]),
}


@contextmanager
def damaged(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes()
    try:
        file.write_bytes(content)
        yield
    finally:
        file.write_bytes(before)


def damages_of_any(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "half", content[: len(content) // 2]
    yield "without its end", content[:-3]
    yield "zip", b"PK\x03\x04" + content
    yield "latin-1", b"\xe9\xe8" + content
    yield "zeros", bytes(len(content))
    yield "pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94."


def damages_of_json(content: bytes) -> Iterator[tuple[str, bytes]]:
    value = json.loads(content)
    for text in ("[]", "{}", "null", '"x"', "[" * 5000, "1e999", "NaN"):
        yield text[:10], text.encode()
    for key in value if isinstance(value, dict) else ():
        yield f"without {key}", json.dumps({name: value[name] for name in value if name != key}).encode()
        for wrong in (None, [None], {"a": None}, -1.5e300):
            if wrong is not None or value[key] is not None:
                yield f"{key} {wrong}", json.dumps({**value, key: wrong}).encode()


def damages_of_csv(content: bytes) -> Iterator[tuple[str, bytes]]:
    header, *rows = content.decode().splitlines()
    names = header.split(",")
    for name in names:
        yield f"without {name}", "\n".join([header.replace(name, f"{name}x", 1), *rows, ""]).encode()
    yield "one row fewer", "\n".join([header, *rows[:-1], ""]).encode()
    yield "one row more", "\n".join([header, *rows, rows[-1], ""]).encode()
    yield "no rows", f"{header}\n".encode()
    yield "cut in a row", "\n".join([header, *rows]).rpartition(",")[0].encode()
    yield "cut in a cell", "\n".join([header, *rows])[:-1].encode()
    yield "cell more", "\n".join([header, *rows[:-1], f"{rows[-1]},", ""]).encode()
    yield "blank line", "\n".join([header, "", *rows, ""]).encode()
    yield "quote", content + b'"'


def as_npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def damages_of_npy(content: bytes) -> Iterator[tuple[str, bytes]]:
    array = np.load(io.BytesIO(content))
    for dtype in ("uint8", "float16", "float64", "complex64", "S2"):
        if array.dtype != dtype:
            yield dtype, as_npy(np.zeros(array.shape, dtype))
    yield "one clip more", as_npy(np.concatenate([array, array[:1]]))
    yield "one clip fewer", as_npy(array[:-1])
    yield "narrower", as_npy(array[..., :-1, :])
    yield "flat", as_npy(array.ravel())
    yield "objects", as_npy(np.array([None, {}], dtype=object))
    yield "surplus", content + b"x"
    yield "absurd header", content.replace(f"({array.shape[0]}, ".encode(), f"({10**18}, ".encode(), 1)
    yield "npz", as_npz({"a": array[:1]})


def as_npz(arrays: dict[str, Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if options else np.savez)(stream, **arrays)
    return stream.getvalue()


def damages_of_npz(content: bytes) -> Iterator[tuple[str, bytes]]:
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    for name, array in arrays.items():
        if not name.startswith(("importances/", "checkpoint/", "network.")):
            yield f"without {name}", as_npz({key: arrays[key] for key in arrays if key != name})
        if array.dtype.kind == "f" and array.size:
            yield f"nan in {name}", as_npz({**arrays, name: np.full_like(array, np.nan)})
            yield f"inf in {name}", as_npz({**arrays, name: np.full_like(array, np.inf)})
        yield f"objects in {name}", as_npz({**arrays, name: np.array([None], dtype=object)})
    yield "npy", as_npy(next(iter(arrays.values())))
    yield "compressed", as_npz(arrays, compressed=True)
    place = content.rindex(b"\x93NUMPY") + 130
    yield "flipped bit", content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGES = {".json": damages_of_json, ".csv": damages_of_csv, ".npy": damages_of_npy, ".npz": damages_of_npz}
VALID = {  # changes that leave a valid file: `load_fold` checks the keys of faces, and metadata can be unknown
    f"{TRAIN}/settings.json": {"faces {'a': None}"},
    f"{TRAIN}/run.json": {"without motion_prior", "without faces"},  # earlier versions did not write them
    f"{STATE}/runs/{MODEL}/*.json": {
        "started_ms None",
        "ended_ms None",
        "without started_ms",
        "without ended_ms",
        "without seconds",
    },
}


@pytest.mark.parametrize("pattern", READERS)
def test_each_damage_is_refused_with_the_file(finished: Path, pattern: str) -> None:
    plan, file = plan_of(first(ORACLE)), first(pattern)
    READERS[pattern](plan)  # reads the sound file
    content = file.read_bytes()
    accepted = []
    for damage, bad in [*damages_of_any(content), *DAMAGES[file.suffix](content)]:
        with damaged(file, bad):
            try:
                READERS[pattern](plan)
            except StorageError as error:
                message = str(error)
            else:
                accepted.append(damage)
                continue
        assert damage not in VALID.get(pattern, ())
        if file.name not in message or "\n" in message:
            accepted.append(f"{damage}: {message}")
    assert set(accepted) == VALID.get(pattern, set())


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw a change of some bytes: a slice is replaced by other bytes, or the whole content is."""
    start, length = draw(st.floats(0, 1)), draw(st.integers(0, 30))
    new = draw(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"0", b"-1", b"nan", b"1e999", b'"', b",", b"\n", b"]"]))
    )
    whole = draw(st.integers(0, 9)) == 0

    def change(content: bytes) -> bytes:
        place = int(start * len(content))
        return new if whole else content[:place] + new + content[place + length :]

    return change


@pytest.mark.parametrize("pattern", READERS)
@given(change=mutations())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_read_or_refused_with_one_line(
    finished: Path, pattern: str, change: Callable[[bytes], bytes]
) -> None:
    plan, file = plan_of(first(ORACLE)), first(pattern)
    message = ""
    with damaged(file, change(file.read_bytes())):
        try:
            READERS[pattern](plan)
        except MicrofacialError as error:
            message = str(error)
    assert "\n" not in message


def test_flow_that_is_not_finite_is_refused_with_the_clip(finished: Path) -> None:
    file, clips = RESULTS / "flow" / "flow.npy", read_clips(RESULTS / "clips.csv")
    for value in (np.nan, np.inf, -np.inf):
        flow = np.load(file)
        flow[1, 0, 0, 3, 4] = value
        with damaged(file, as_npy(flow)), pytest.raises(StorageError, match=rf"flow\.npy .*{clips[1].id} .*dvc repro"):
            read_features(RESULTS)


def test_faces_of_more_clips_than_the_table_has_are_refused_with_the_surplus_clip(finished: Path) -> None:
    file = RESULTS / "clips.csv"
    last = read_clips(file)[-1].id
    shorter = b"".join(file.read_bytes().splitlines(keepends=True)[:-1])
    with damaged(file, shorter), pytest.raises(StorageError, match=last):
        run_flow(open_project(), processes=1)


def test_a_folder_in_place_of_a_file_or_a_missing_file_is_refused_by_its_name(finished: Path) -> None:
    file = RESULTS / "clips.csv"
    moved = file.rename(RESULTS / "moved.csv")
    try:
        file.mkdir()
        with pytest.raises(StorageError, match=r"clips\.csv"):
            read_clips(file)
        file.rmdir()
        with pytest.raises(StorageError, match=r"clips\.csv is missing.*dvc repro"):
            read_clips(file)
    finally:
        moved.rename(file)
