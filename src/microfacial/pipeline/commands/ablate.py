"""Command `ablate`: what each part of the hybrid is worth → ablation/, trained fold by fold and resumed.

No stage of dvc.yaml, as a study is none: it asks about one model as it is set now, and no stage uses the answer. What
it has computed stays in the state folder, so that a killed or repeated run goes on from there.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from microfacial import files
from microfacial.errors import ConfigError
from microfacial.evaluation import ablation
from microfacial.evaluation import folds as evaluation
from microfacial.evaluation.ablation import ABLATIONS, FULL, MODEL, SHIFTS_FRAMES, AblationRow
from microfacial.evaluation.experiment import Data, load_data
from microfacial.evaluation.fold_cache import FoldCache, resume
from microfacial.evaluation.protocols import plan_folds, scored_rows
from microfacial.models.hybrid import HybridSettings, make_inputs
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.pipeline.clip_progress import clip_progress
from microfacial.pipeline.config import load
from microfacial.pipeline.progress import Countdown
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import stage_code
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips
from microfacial.preprocessing.store import read_faces_of
from microfacial.records import Clip, FaceStore, FoldResult, Predictions, Samples
from microfacial.report.tables import digest_ablation
from microfacial.training import fit as training

_UNSHIFTED = "0"
_NO_SHIFTS = "apex shifts: not possible on published maps, which have no frames"


def run_ablate(project: Project, repeats: int | None, processes: int) -> None:
    """Train every ablation, shift the apex of held-out clips, write both tables and print them.

    Args:
        repeats: repetitions of the protocol; as params.yaml sets them if None.

    Raises:
        StorageError: faces or flow are not computed.
    """
    bench = _prepare(project, repeats, processes)
    samples = _make_samples(bench, bench.data.store, bench.hybrid)
    folds = _train(bench, FULL, samples, bench.hybrid, bench.flow)
    full, reference = ablation.score_row(FULL, samples, folds, bench.data.protocol)
    trials = [full, *(_try(bench, name, reference) for name in ABLATIONS if name != FULL)]
    shifted = [] if bench.on_maps else _shift(bench, samples, folds)
    bench.forget_others()
    _write(bench, trials, shifted)
    _print(bench, trials, shifted)


@dataclass(frozen=True)
class _Bench:
    """What all rows share. `used` lists the folders of flow that were computed or found."""

    project: Project
    data: Data
    hybrid: HybridSettings
    flow: FlowConfig
    processes: int
    used: list[Path] = field(default_factory=list)

    @property
    def on_maps(self) -> bool:
        return self.data.store.unit == "stretched"

    @property
    def state(self) -> Path:
        return self.project.state / "ablation"

    @cached_property
    def digest(self) -> str:
        """Stands for clips, flow, labels, protocol and code: all that a fold depends on but settings and seed."""
        names = ("clips.csv", "faces/faces.json", "flow/flow.npy", "flow/index.json")
        code = [*stage_code("train", MODEL), *stage_code("flow")]
        same_folds = {"seed", "repeats", "bootstrap_draws", "oracle", "checkpoints"}
        protocol = self.data.protocol.model_dump(exclude=same_folds)
        return files.digest([*(self.project.results / name for name in names), *code], protocol, self.data.classes)

    def measure(self, clips: Sequence[Clip], config: FlowConfig, what: str) -> NDArray[np.float16]:
        """Flow `(N, T, C, H, W)` of clips by other settings or with another apex, kept for the next run."""
        faces, size_px = read_faces_of(self.project.results / "faces", clips)
        with clip_progress(f"ablate {what}") as report:
            writer = compute_flow_of_clips(
                clips,
                faces,
                size_px,
                config,
                folder=self.state / "flow",
                frames_root=self.project.frames,
                processes=self.processes,
                code=files.digest(stage_code("flow")),
                report=report,
            )
        self.used.append(writer.folder)
        return writer.read()

    def forget_others(self) -> None:
        """Delete flow that runs of other clips or settings have left."""
        for folder in (self.state / "flow").glob("*"):
            if folder not in self.used:
                shutil.rmtree(folder)


def _prepare(project: Project, repeats: int | None, processes: int) -> _Bench:
    config = load(PARAMS)
    hybrid = config.models.get(MODEL) or resolve(MODEL, {}, f"models.{MODEL}")
    assert isinstance(hybrid, HybridSettings)
    protocol: dict[str, Any] = {} if repeats is None else {"repeats": repeats}
    return _Bench(project, load_data(**protocol), hybrid, config.flow, processes)


# --- parts taken away -------------------------------------------------------------------------------------------------


def _try(bench: _Bench, name: str, full: Predictions) -> AblationRow:
    """Train one ablation and compare it with the full hybrid, or say why it cannot be had."""
    taken = ABLATIONS[name]
    if bench.on_maps and taken.not_on_maps:
        return AblationRow(name=name, note=taken.not_on_maps)
    try:
        hybrid, flow = ablation.take_away(taken, bench.hybrid, bench.flow)
    except ConfigError as error:
        return AblationRow(name=name, note=str(error))
    if (hybrid, flow) == (bench.hybrid, bench.flow):
        return AblationRow(name=name, note="the full hybrid is set so already")
    store = bench.data.store
    if flow != bench.flow:
        store = replace(store, flow=bench.measure(bench.data.clips, flow, name))
    samples = _make_samples(bench, store, hybrid)
    folds = _train(bench, name, samples, hybrid, flow)
    return ablation.score_row(name, samples, folds, bench.data.protocol, full)[0]


def _make_samples(bench: _Bench, store: FaceStore, hybrid: HybridSettings) -> Samples:
    return make_samples(make_inputs(store, hybrid), store, bench.data.clips, bench.data.classes)


def _train(bench: _Bench, name: str, samples: Samples, hybrid: HybridSettings, flow: FlowConfig) -> list[FoldResult]:
    """All folds of one row, as the `train` stage would train them; those of the full hybrid keep their networks."""
    keeps = name == FULL
    plans = plan_folds(samples, bench.data.protocol)
    chunks = evaluation.chunk_plans(plans, training.chunk_size(MODEL, hybrid, samples))
    key = files.digest([], bench.digest, hybrid.model_dump(), flow.model_dump(), keeps, training.arithmetic(hybrid))
    run_chunks = partial(
        evaluation.run_folds,
        samples,
        fit=partial(training.fit, model=MODEL, settings=hybrid),
        processes=bench.processes,
        checkpoints=keeps,
    )
    folds = []
    with Countdown(f"ablate {name}", len(plans), bench.processes) as countdown:
        for fold in resume(chunks, FoldCache(bench.state / "folds", key), run_chunks):
            folds.append(fold)
            countdown.count(fold)
    return folds


# --- the apex elsewhere -----------------------------------------------------------------------------------------------


def _shift(bench: _Bench, samples: Samples, folds: Sequence[FoldResult]) -> list[AblationRow]:
    """What the folds' networks make of held-out clips whose apex is so many frames off, compared with where it is."""
    reference: Predictions | None = None
    trials = {}
    for frames in sorted(SHIFTS_FRAMES, key=abs):  # 0 comes first
        inputs, moved = _shifted_inputs(bench, samples, frames)
        jobs = (delayed(ablation.predict_anew)(fold, bench.hybrid, inputs[fold.plan.test_rows]) for fold in folds)
        anew = list(Parallel(n_jobs=bench.processes)(jobs))
        trial, found = ablation.score_row(
            f"{frames:+d}" if frames else _UNSHIFTED, samples, anew, bench.data.protocol, reference
        )
        trials[frames] = replace(trial, moved=moved)
        reference = reference or found
    return [trials[frames] for frames in SHIFTS_FRAMES]


def _shifted_inputs(bench: _Bench, samples: Samples, frames: int) -> tuple[NDArray[np.float32], int]:
    """Inputs `(N, …)` with the apex of every clip that is held out shifted, and how many could move that far."""
    clips, held_out = bench.data.clips, scored_rows(samples, bench.data.protocol)
    shifted = {int(row): ablation.shift_apex(clips[row], frames) for row in held_out}
    moved = [row for row, clip in shifted.items() if clip.apex != clips[row].apex]
    inputs = samples.inputs.copy()
    if moved:
        store = bench.data.store
        flow = bench.measure([shifted[row] for row in moved], bench.flow, f"apex {frames:+d}")
        few = replace(
            store,
            clips=tuple(store.clips[row] for row in moved),
            crops=store.crops[moved],  # of the apex as it was: the hybrid sees motion alone
            flow=flow,
            boxes=store.boxes[moved],
        )
        inputs[moved] = make_inputs(few, bench.hybrid).values
    return inputs, sum(clip.apex == clips[row].apex + frames for row, clip in shifted.items())


# --- what comes out ---------------------------------------------------------------------------------------------------


def _write(bench: _Bench, trials: Sequence[AblationRow], shifted: Sequence[AblationRow]) -> None:
    """Write ablation.csv, and jitter.csv where apexes could be shifted."""
    repeats = bench.data.protocol.repeats
    parts = [{"hybrid": trial.name, "repeats": repeats, **ablation.tabulate(trial)} for trial in trials]
    shifts = [
        {"shift_frames": int(trial.name), "moved_clips": trial.moved, "clips": _clips(trial), "repeats": repeats}
        | ablation.tabulate(trial)
        for trial in shifted
    ]
    with files.atomic_write(bench.project.results / "ablation") as fresh:
        fresh.mkdir()
        files.write_csv(fresh / "ablation.csv", parts, ("hybrid", "repeats", *ablation.COLUMNS))
        if shifts:
            columns = ("shift_frames", "moved_clips", "clips", "repeats", *ablation.COLUMNS)
            files.write_csv(fresh / "jitter.csv", shifts, columns)


def _print(bench: _Bench, trials: Sequence[AblationRow], shifted: Sequence[AblationRow]) -> None:
    heading = f"{bench.project.clips.name} · {bench.project.clips.scheme} · {bench.data.protocol.protocol}"
    Console().print(ablation_table(f"{heading} · {MODEL}", trials, FULL))
    if shifted:
        Console().print(ablation_table(f"{heading} · {MODEL}, apex shifted by frames", shifted, _UNSHIFTED))
    else:
        click.echo(_NO_SHIFTS)
    folder = bench.project.results / "ablation"
    click.echo(f"ablate: {folder}")
    click.echo(f'to show it in the report, set report.ablation: "{digest_ablation(folder)}" and run `dvc repro`')


def ablation_table(title: str, trials: Sequence[AblationRow], reference: str) -> Table:
    """Rows as a table that fits 80 columns."""
    shared = next(trial.evaluation for trial in trials if trial.evaluation)
    several, moves = shared.repeats > 1, trials[0].moved is not None
    captions = [
        shared.note,
        f"±: standard deviation over {shared.repeats} repetitions" if several else "",
        "moved: clips that could move that far; others as far as they could" if moves else "",
        f"Δ: UF1 minus that of {reference}; * told from zero (paired, 95 %)",
        *(f"{trial.name}: {trial.note}" for trial in trials if trial.note),
    ]
    table = Table(
        title=title,
        caption="\n".join(filter(None, captions)),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("apex" if moves else MODEL)
    spread = ["±"] if several else []
    for column in (*(["moved"] if moves else []), "UF1", *spread, "UAR", *spread, "Δ", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    for trial in trials:
        moved = [f"{trial.moved} of {_clips(trial)}"] if moves else []
        table.add_row(trial.name, *moved, *_scores(trial, several=several))
    return table


def _scores(trial: AblationRow, *, several: bool) -> list[str]:
    found, difference = trial.evaluation, trial.difference
    if found is None:
        return ["–"]
    scores = ((found.overall.uf1, found.uf1_sd), (found.overall.uar, found.uar_sd))
    cells = [f"{value:.3f}" for score in scores for value in score[: 1 + several]]
    if difference is None:
        return [*cells, "– ", "–"]
    low, high = difference.uf1_interval
    star = "*" if difference.tells_apart else " "
    return [*cells, f"{difference.uf1_difference:+.3f}{star}", f"{low:+.3f} to {high:+.3f}"]


def _clips(trial: AblationRow) -> int:
    assert trial.evaluation is not None, "every shift has scores"
    return trial.evaluation.overall.clips
