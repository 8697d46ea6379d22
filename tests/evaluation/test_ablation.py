"""The command `ablate` on the tiny demo."""

import csv
import re
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from fakes import ROOT, TINY_PARAMS, WriteMaps
from microfacial.datasets.clip_table import read_clips
from microfacial.errors import ConfigError
from microfacial.evaluation.ablation import ABLATIONS, FULL, apply_ablation
from microfacial.evaluation.apex_shift import SHIFTS_FRAMES, predict_with_checkpoint
from microfacial.evaluation.experiment import load_data
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.evaluation.protocols import plan_folds
from microfacial.evaluation.result_files import read_evaluation
from microfacial.inference.read import read_clip
from microfacial.models import MODELS
from microfacial.models.hybrid import HybridSettings
from microfacial.models.inputs import make_samples
from microfacial.pipeline.cli import run_command_line
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.train import run_train
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import PRIOR_ON_DRAWN, SYNTHETIC, FoldResult, Samples

HELD_OUT = ["demo/sub02", "demo/sub04"]
TINY_HYBRID = {"input_px": 8, "width": 16, "epochs": 2, "batch_size": 4, "flip": True}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of a command."""
    monkeypatch.setattr("sys.argv", ["microfacial", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run_command_line()
    return int(stopped.value.code or 0)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def write_params(folder: Path, **sections: dict[str, object]) -> None:
    """Write the tiny parameters with the hybrid as the only model, and replace keys of sections."""
    params = {**yaml.safe_load(TINY_PARAMS), "models": {"hybrid": TINY_HYBRID}}
    for name, changed in sections.items():
        params[name] = {**params[name], **changed}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="module")
def finished(computed: Path, tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Path, str]:
    """A project in which `ablate` has run, and its output on a terminal of 80 columns. Tests must not change it."""
    root = tmp_path_factory.mktemp("ablated")
    write_params(root, train={"protocol": "holdout", "holdout": HELD_OUT})
    for name in ("dvc.yaml", "src"):
        (root / name).symlink_to(ROOT / name)
    shutil.copytree(computed / "data", root / "data")
    shutil.copytree(computed / "results", root / "results")
    (root / "mlruns").mkdir()
    shutil.copy(empty_store, root / "mlruns")
    with pytest.MonkeyPatch.context() as patch:
        return root, ablate_in(root, patch)


def ablate_in(root: Path, patch: pytest.MonkeyPatch) -> str:
    path = root / "output.txt"
    patch.chdir(root)
    patch.setenv("COLUMNS", "80")
    with path.open("w") as stream:
        patch.setattr("sys.stdout", stream)
        assert run(patch, "ablate", "--repeats", "2", "--processes", "1") == 0
    return path.read_text()


@pytest.fixture
def again(finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project that a test may change. It is the current folder."""
    shutil.copytree(finished[0], tmp_path / "again", symlinks=True)
    monkeypatch.chdir(tmp_path / "again")
    return tmp_path / "again"


def settings_of(config: Config) -> HybridSettings:
    settings = config.models["hybrid"]
    assert isinstance(settings, HybridSettings)
    return settings


def read_full(root: Path) -> tuple[Samples, list[FoldResult]]:
    """Return samples of the full hybrid and its folds from the cache, which carry checkpoints."""
    with chdir(root):
        settings, data = settings_of(load(Path("params.yaml"))), load_data(repeats=2)
    samples = make_samples(MODELS["hybrid"].make_inputs(data.store, settings), data.store, data.clips, data.classes)
    plans = plan_folds(samples, data.protocol)
    folder = root / ".microfacial" / "tiny" / "ablation" / "folds"
    for key in folder.iterdir():
        folds = [fold for fold in map(FoldCache(folder, key.name).read, plans) if fold is not None]
        if folds[0].checkpoint:
            return samples, folds
    raise AssertionError("no fold carries a checkpoint")


def test_tables_have_all_rows(finished: tuple[Path, str]) -> None:
    root, output = finished
    parts, shifts = (rows(root / "results/tiny/ablation" / name) for name in ("ablation.csv", "jitter.csv"))
    assert [row["hybrid"] for row in parts] == list(ABLATIONS)
    assert [int(row["shift_frames"]) for row in shifts] == list(SHIFTS_FRAMES)
    assert {row["repeats"] for row in (*parts, *shifts)} == {"2"}
    notes = {True: SYNTHETIC, False: f"{SYNTHETIC}; {PRIOR_ON_DRAWN}"}
    assert [row["note"] for row in parts] == [notes[row["hybrid"] == "without motion prior"] for row in parts]
    assert {row["note"] for row in shifts} == {notes[False]}
    assert all(0 <= float(row[score]) <= 1 for row in (*parts, *shifts) for score in ("uf1", "uf1_sd", "uar", "uar_sd"))
    for table, reference in ((parts, 0), (shifts, SHIFTS_FRAMES.index(0))):
        whole = table[reference]
        assert whole["uf1_difference"] == ""
        for row in (*table[:reference], *table[reference + 1 :]):
            difference = float(row["uf1"]) - float(whole["uf1"])
            assert float(row["uf1_difference"]) == pytest.approx(difference, abs=2e-6)
            assert float(row["uf1_difference_low"]) <= float(row["uf1_difference_high"])
    assert all(f"\n{name} " in output for name in (*ABLATIONS, *(f"{shift:+d}" for shift in SHIFTS_FRAMES if shift)))
    assert len(list((root / ".microfacial/tiny/ablation/folds").iterdir())) == len(ABLATIONS)  # rows do not share folds
    assert "ablate without graph: fold 2/2 holdout#1" in output
    assert "…" not in output.partition(" · holdout · hybrid")[2]


def test_folds_of_the_full_hybrid_equal_those_of_the_train_stage(again: Path) -> None:
    write_params(again, train={"protocol": "holdout", "holdout": HELD_OUT, "repeats": 2})
    run_train(open_project(), "hybrid", processes=1)
    (key,) = (again / ".microfacial" / "tiny" / "folds" / "hybrid").iterdir()
    _, folds = read_full(again)
    assert len(folds) == 2
    for fold in folds:
        trained = FoldCache(key.parent, key.name).read(fold.plan)
        assert trained is not None
        assert np.array_equal(trained.probabilities, fold.probabilities)
    scores = read_evaluation(Path("results/tiny/train/hybrid"))
    full = rows(Path("results/tiny/ablation/ablation.csv"))[0]
    assert full["hybrid"] == FULL
    assert (full["uf1"], full["uar_sd"]) == (f"{scores.overall.uf1:.6f}", f"{scores.uar_sd:.6f}")


def test_restored_networks_without_a_shift_predict_the_same_bits(finished: tuple[Path, str]) -> None:
    samples, folds = read_full(finished[0])
    settings = settings_of(load(finished[0] / "params.yaml"))
    for fold in folds:
        predicted = predict_with_checkpoint(fold, settings, samples.inputs[fold.plan.test_rows])
        assert np.array_equal(predicted.probabilities, fold.probabilities)
    folder = finished[0] / "results/tiny/ablation"
    full, unshifted = rows(folder / "ablation.csv")[0], rows(folder / "jitter.csv")[SHIFTS_FRAMES.index(0)]
    assert [unshifted[name] for name in ("uf1", "uf1_sd", "uar", "uar_sd")] == [
        full[name] for name in ("uf1", "uf1_sd", "uar", "uar_sd")
    ]
    assert unshifted["moved_clips"] == unshifted["clips"] == "6"


def test_a_shift_gives_the_inputs_of_clips_with_another_annotated_apex(
    again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The expected inputs are those of clips that are read one by one with the other apex."""
    config, recorded = load(Path("params.yaml")), []

    def record(fold: FoldResult, settings: HybridSettings, inputs: NDArray[np.float32]) -> FoldResult:
        recorded.append((fold.plan.test_rows, inputs))
        return predict_with_checkpoint(fold, settings, inputs)

    monkeypatch.setattr("microfacial.evaluation.apex_shift.predict_with_checkpoint", record)
    ablate_in(again, monkeypatch)
    clips = read_clips(Path("results/tiny/clips.csv"))
    moved = 0
    first_fold = 2 * sorted(SHIFTS_FRAMES, key=abs).index(1)  # each shift has two folds
    for row, inputs in zip(*recorded[first_fold], strict=True):
        clip = clips[row]
        moves = clip.apex + 1 < clip.offset
        store = read_clip(
            Path("data", clip.frames).parent,
            clip.onset,
            clip.apex + moves,
            clip.offset,
            faces=config.faces,
            flow=config.flow,
        )
        assert np.array_equal(MODELS["hybrid"].make_inputs(store, settings_of(config)).values[0], inputs)
        moved += moves
    assert moved > 0
    assert rows(Path("results/tiny/ablation/jitter.csv"))[SHIFTS_FRAMES.index(1)]["moved_clips"] == str(moved)


def test_an_interrupted_run_continues_and_writes_the_same_files(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, state = again / "results/tiny/ablation", again / ".microfacial/tiny/ablation"
    before = {name: (out / name).read_bytes() for name in ("ablation.csv", "jitter.csv")}
    shutil.rmtree(out)
    lost, *others = sorted(state.glob("folds/*/*.npz"))
    lost.unlink()
    lost_flow = min(state.glob("flow/*/*.npz"))
    lost_flow.unlink()
    times = {path: path.stat().st_mtime_ns for path in others}
    output = ablate_in(again, monkeypatch)
    assert {name: (out / name).read_bytes() for name in before} == before
    assert {path: path.stat().st_mtime_ns for path in others} == times
    assert lost.exists()
    assert lost_flow.exists()
    assert "clips were finished by an earlier run" in output
    assert not (state / "flow-arrays").exists()


@pytest.mark.slow
def test_impossible_ablations_have_a_note_in_the_table_and_the_report(
    project: Path, write_maps: WriteMaps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_maps({"sub01": 3, "sub02": 3, "sub03": 3})
    (project / "flow_maps").rename(project / "data" / "flow_maps")
    write_params(
        project,
        clips={"name": "maps", "root": "data", "corpora": ["flow_maps"], "scheme": "megc2019-3"},
        faces={"method": "whole", "regions": "grid-28", "size_px": 28},
        flow={"method": "published"},
        models={"hybrid": {**TINY_HYBRID, "graph": False, "flip": False, "test_time_flip": False, "epochs": 1}},
    )
    for stage in ("clips", "faces", "flow", "ablate"):
        assert run(monkeypatch, stage) == 0
    notes = {row["hybrid"]: row["note"] for row in rows(project / "results/maps/ablation/ablation.csv")}
    assert notes == {
        "full": "",
        "without graph": "the full hybrid already has these settings",
        "without transformer": notes["without transformer"],
        "without face part": "",
        "without motion prior": "",
        "one loss for all parts": "",
        "fixed fusion": "",
        "one window": "not possible on published maps, which have one window anyway",
        "head motion kept": "not possible on published maps, which have no frames",
        "no flip": "the full hybrid already has these settings",
    }
    assert "must be true where graph is false" in notes["without transformer"]
    assert not (project / "results/maps/ablation/jitter.csv").exists()
    output = capsys.readouterr().out
    assert "apex shifts: not possible on published maps" in output
    assert "±" not in output  # one repetition has no standard deviation

    digest = re.findall(r'set report\.ablation: "(\w+)" and run', output)[0]
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("report:", f"report:\n  ablation: '{digest}'"))
    assert run(monkeypatch, "train", "hybrid") == 0
    assert run(monkeypatch, "report") == 0
    page = (project / "results/maps/reports/index.html").read_text()
    assert all(note in page for note in notes.values())
    assert "do not compare" not in page


def test_missing_flow_is_named_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "clips") == 0
    capsys.readouterr()
    assert run(monkeypatch, "ablate") == 2
    error = capsys.readouterr().err
    assert error.startswith("microfacial: results/tiny/faces/faces.json is missing")
    assert error.count("\n") == 1


def test_an_ablation_changes_only_its_own_keys() -> None:
    hybrid, flow = HybridSettings(width=64, flip=True, test_time_flip=True), FlowConfig(method="dis")
    hybrid_without_flip, flow_without_flip = apply_ablation(ABLATIONS["no flip"], hybrid, flow)
    assert (hybrid_without_flip, flow_without_flip) == (
        HybridSettings(width=64, flip=False, test_time_flip=False),
        flow,
    )
    hybrid_with_motion, flow_with_motion = apply_ablation(ABLATIONS["head motion kept"], hybrid, flow)
    assert (hybrid_with_motion, flow_with_motion) == (hybrid, FlowConfig(method="dis", head_motion="off"))
    assert apply_ablation(ABLATIONS[FULL], hybrid, flow) == (hybrid, flow)
    with pytest.raises(ConfigError, match=r"models\.hybrid\.transformer"):
        apply_ablation(ABLATIONS["without transformer"], HybridSettings(graph=False), flow)
