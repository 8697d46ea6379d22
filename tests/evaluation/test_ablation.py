"""The hybrid with parts taken away, and with the apex elsewhere, on the tiny demo."""

import csv
import re
import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from fakes import ROOT, TINY_PARAMS, WriteMaps, make_clip
from microfacial.datasets.clip_table import read_clips
from microfacial.errors import ConfigError
from microfacial.evaluation import experiment as experiments
from microfacial.evaluation import result_files as outcomes
from microfacial.evaluation.ablation import ABLATIONS, FULL, apply_ablation
from microfacial.evaluation.apex_shift import SHIFTS_FRAMES, predict_with_checkpoint, shift_apex
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.evaluation.protocols import plan_folds
from microfacial.inference.read import read_clip
from microfacial.models.hybrid import HybridSettings, make_inputs
from microfacial.models.inputs import make_samples
from microfacial.pipeline import cli as commands
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import train
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import SYNTHETIC, FoldResult, Samples

HELD_OUT = ["demo/sub02", "demo/sub04"]
TINY_HYBRID = {"input_px": 8, "width": 16, "epochs": 2, "batch_size": 4, "flip": True}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of a command."""
    monkeypatch.setattr("sys.argv", ["microfacial", *arguments])
    with pytest.raises(SystemExit) as stopped:
        commands.run_command_line()
    return int(stopped.value.code or 0)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def write_params(folder: Path, **sections: dict[str, object]) -> None:
    """The tiny parameters with the hybrid alone, but for what replaces keys of sections."""
    params = {**yaml.safe_load(TINY_PARAMS), "models": {"hybrid": TINY_HYBRID}}
    for name, changed in sections.items():
        params[name] = {**params[name], **changed}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="module")
def finished(computed: Path, tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Path, str]:
    """A project in which `ablate` has run, and what it printed on a terminal of 80 columns. Nobody writes into it."""
    root = tmp_path_factory.mktemp("ablated")
    write_params(root, train={"protocol": "holdout", "holdout": HELD_OUT})
    for name in ("dvc.yaml", "src"):
        (root / name).symlink_to(ROOT / name)
    (root / "data").symlink_to(computed / "data")
    shutil.copytree(computed / "results", root / "results")
    (root / "mlruns").mkdir()
    shutil.copy(empty_store, root / "mlruns")
    with pytest.MonkeyPatch.context() as patch:
        return root, ablate_in(root, patch)


def ablate_in(root: Path, patch: pytest.MonkeyPatch) -> str:
    said = root / "said.txt"
    patch.chdir(root)
    patch.setenv("COLUMNS", "80")
    with said.open("w") as stream:
        patch.setattr("sys.stdout", stream)
        assert run(patch, "ablate", "--repeats", "2", "--processes", "1") == 0
    return said.read_text()


@pytest.fixture
def again(finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project to change, the current folder of the test."""
    shutil.copytree(finished[0], tmp_path / "again", symlinks=True)
    monkeypatch.chdir(tmp_path / "again")
    return tmp_path / "again"


def settings_of(config: Config) -> HybridSettings:
    found = config.models["hybrid"]
    assert isinstance(found, HybridSettings)
    return found


def read_full(root: Path) -> tuple[Samples, list[FoldResult]]:
    """Samples of the full hybrid, and its folds as the journal has them: those with networks."""
    with chdir(root):
        settings, data = settings_of(load(Path("params.yaml"))), experiments.load_data(repeats=2)
    samples = make_samples(make_inputs(data.store, settings), data.store, data.clips, data.classes)
    plans = plan_folds(samples, data.protocol)
    folder = root / ".microfacial" / "tiny" / "ablation" / "folds"
    for key in folder.iterdir():
        folds = [fold for fold in map(FoldCache(folder, key.name).read, plans) if fold is not None]
        if folds[0].checkpoint:
            return samples, folds
    raise AssertionError("no fold has kept its network")


def test_every_row_is_there_and_says_what_it_is_of(finished: tuple[Path, str]) -> None:
    root, said = finished
    parts, shifts = (rows(root / "results/tiny/ablation" / name) for name in ("ablation.csv", "jitter.csv"))
    assert [row["hybrid"] for row in parts] == list(ABLATIONS)
    assert [int(row["shift_frames"]) for row in shifts] == list(SHIFTS_FRAMES)
    assert {(row["repeats"], row["note"]) for row in (*parts, *shifts)} == {("2", SYNTHETIC)}
    assert all(0 <= float(row[score]) <= 1 for row in (*parts, *shifts) for score in ("uf1", "uf1_sd", "uar", "uar_sd"))
    for table, reference in ((parts, 0), (shifts, SHIFTS_FRAMES.index(0))):
        whole = table[reference]
        assert whole["uf1_difference"] == ""
        for row in (*table[:reference], *table[reference + 1 :]):
            difference = float(row["uf1"]) - float(whole["uf1"])
            assert float(row["uf1_difference"]) == pytest.approx(difference, abs=2e-6)
            assert float(row["uf1_difference_low"]) <= float(row["uf1_difference_high"])
    assert all(f"\n{name} " in said for name in (*ABLATIONS, *(f"{shift:+d}" for shift in SHIFTS_FRAMES if shift)))
    assert len(list((root / ".microfacial/tiny/ablation/folds").iterdir())) == len(ABLATIONS)  # no row has another's
    assert "ablate without graph: fold 2/2 holdout#1" in said
    assert "…" not in said.partition(" · holdout · hybrid")[2]


def test_the_full_hybrid_s_folds_are_those_of_the_train_stage(again: Path) -> None:
    write_params(again, train={"protocol": "holdout", "holdout": HELD_OUT, "repeats": 2})
    train.run_train(open_project(), "hybrid", processes=1)
    (key,) = (again / ".microfacial" / "tiny" / "folds" / "hybrid").iterdir()
    _, folds = read_full(again)
    assert len(folds) == 2
    for fold in folds:
        trained = FoldCache(key.parent, key.name).read(fold.plan)
        assert trained is not None
        assert np.array_equal(trained.probabilities, fold.probabilities)
    scores = outcomes.read_evaluation(Path("results/tiny/train/hybrid"))
    full = rows(Path("results/tiny/ablation/ablation.csv"))[0]
    assert full["hybrid"] == FULL
    assert (full["uf1"], full["uar_sd"]) == (f"{scores.overall.uf1:.6f}", f"{scores.uar_sd:.6f}")


def test_without_a_shift_restored_networks_predict_the_same_bits(finished: tuple[Path, str]) -> None:
    samples, folds = read_full(finished[0])
    settings = settings_of(load(finished[0] / "params.yaml"))
    for fold in folds:
        anew = predict_with_checkpoint(fold, settings, samples.inputs[fold.plan.test_rows])
        assert np.array_equal(anew.probabilities, fold.probabilities)
    ablation = finished[0] / "results/tiny/ablation"
    full, still = rows(ablation / "ablation.csv")[0], rows(ablation / "jitter.csv")[SHIFTS_FRAMES.index(0)]
    assert [still[name] for name in ("uf1", "uf1_sd", "uar", "uar_sd")] == [
        full[name] for name in ("uf1", "uf1_sd", "uar", "uar_sd")
    ]
    assert still["moved_clips"] == still["clips"] == "6"


def test_a_shift_shows_held_out_clips_as_if_they_were_annotated_so(
    again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expected are clips read one by one with the other apex, as from outside of a data set."""
    config, shown = load(Path("params.yaml")), []

    def watch(fold: FoldResult, settings: HybridSettings, inputs: NDArray[np.float32]) -> FoldResult:
        shown.append((fold.plan.test_rows, inputs))
        return predict_with_checkpoint(fold, settings, inputs)

    monkeypatch.setattr("microfacial.evaluation.apex_shift.predict_with_checkpoint", watch)
    ablate_in(again, monkeypatch)
    clips = read_clips(Path("results/tiny/clips.csv"))
    moved = 0
    for row, seen in zip(*shown[2 * sorted(SHIFTS_FRAMES, key=abs).index(1)], strict=True):  # two folds a shift
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
        assert np.array_equal(make_inputs(store, settings_of(config)).values[0], seen)
        moved += moves
    assert moved > 0
    assert rows(Path("results/tiny/ablation/jitter.csv"))[SHIFTS_FRAMES.index(1)]["moved_clips"] == str(moved)


def test_a_stopped_run_goes_on_and_ends_with_the_same_files(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, state = again / "results/tiny/ablation", again / ".microfacial/tiny/ablation"
    before = {name: (out / name).read_bytes() for name in ("ablation.csv", "jitter.csv")}
    shutil.rmtree(out)
    lost, *kept = sorted(state.glob("folds/*/*.npz"))
    lost.unlink()
    log = next(log for log in state.glob("flow/*/done.txt") if len(log.read_text().splitlines()) > 1)
    log.write_text(log.read_text().splitlines()[0] + "\n")
    times = {path: path.stat().st_mtime_ns for path in kept}
    (state / "flow" / "of-other-settings").mkdir()
    said = ablate_in(again, monkeypatch)
    assert {name: (out / name).read_bytes() for name in before} == before
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    assert lost.exists()
    assert "1 clips were finished by an earlier run" in said
    assert len(log.read_text().splitlines()) > 1
    assert not (state / "flow" / "of-other-settings").exists()


def test_what_cannot_be_taken_away_says_why_in_the_report_too(
    project: Path, write_maps: WriteMaps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_maps({"sub01": 3, "sub02": 3, "sub03": 3})
    write_params(
        project,
        clips={"name": "maps", "root": ".", "corpora": ["flow_maps"], "scheme": "megc2019-3"},
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
        "fixed fusion": "",
        "one window": "not possible on published maps, which have one window anyway",
        "head motion kept": "not possible on published maps, which have no frames",
        "no flip": "the full hybrid already has these settings",
    }
    assert "must be true where graph is false" in notes["without transformer"]
    assert not (project / "results/maps/ablation/jitter.csv").exists()
    said = capsys.readouterr().out
    assert "apex shifts: not possible on published maps" in said
    assert "±" not in said  # one repetition has no spread

    digest = re.findall(r'set report\.ablation: "(\w+)" and run', said)[0]
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("report:", f"report:\n  ablation: '{digest}'"))
    assert run(monkeypatch, "train", "hybrid") == 0
    assert run(monkeypatch, "report") == 0
    page = (project / "results/maps/reports/index.html").read_text()
    assert all(note in page for note in notes.values())
    assert "do not compare" not in page


def test_without_flow_one_line_names_the_remedy(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "clips") == 0
    capsys.readouterr()
    assert run(monkeypatch, "ablate") == 2
    complaint = capsys.readouterr().err
    assert complaint == "microfacial: results/tiny/flow/index.json is missing. Run `dvc repro`, which makes it\n"


@pytest.mark.parametrize(
    ("changes", "frames", "expected"),
    [
        ({}, 2, 7),
        ({}, -2, 3),
        ({}, 0, 5),
        ({}, 8, 8),  # the last before the offset
        ({}, -8, 2),  # the first after the onset
        ({"numbers": (1, 2, 5, 6, 9)}, 2, 6),  # 7 is missing, and nothing lies beyond what was asked for
        ({"numbers": (1, 2, 5, 6, 9)}, -1, 5),
        ({"apex": 9}, 1, 9),  # an apex on the offset has nowhere later to go, and never goes the other way
        ({"apex": 9}, -1, 8),
        ({"apex": 9}, 0, 9),
    ],
)
def test_an_apex_moves_as_far_as_it_can_and_no_farther(changes: dict[str, object], frames: int, expected: int) -> None:
    clip = make_clip(**changes)
    assert shift_apex(clip, frames) == replace(clip, apex=expected)


def test_an_ablation_changes_what_it_names_and_nothing_else() -> None:
    hybrid, flow = HybridSettings(width=64, flip=True, test_time_flip=True), FlowConfig(method="dis")
    plain, same = apply_ablation(ABLATIONS["no flip"], hybrid, flow)
    assert (plain, same) == (HybridSettings(width=64, flip=False, test_time_flip=False), flow)
    same_hybrid, still = apply_ablation(ABLATIONS["head motion kept"], hybrid, flow)
    assert (same_hybrid, still) == (hybrid, FlowConfig(method="dis", head_motion="off"))
    assert apply_ablation(ABLATIONS[FULL], hybrid, flow) == (hybrid, flow)
    with pytest.raises(ConfigError, match=r"models\.hybrid\.transformer: must be true where graph is false"):
        apply_ablation(ABLATIONS["without transformer"], HybridSettings(graph=False), flow)
