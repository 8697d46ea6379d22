"""Stage `train`: flow → train/MODEL/, leave-one-subject-out, each fold journaled and tracked as it finishes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
from matplotlib.figure import Figure

from microfacial import evaluation, storage, training
from microfacial.config import Config, load
from microfacial.datasets.schemes import SCHEMES
from microfacial.errors import ConfigError, StorageError
from microfacial.evaluation import Chunk, FitChunk
from microfacial.figures import draw_confusion, draw_curves
from microfacial.journal import FoldJournal
from microfacial.models import MODELS
from microfacial.protocols import plan_folds
from microfacial.provenance import data_version, dvc_hash, git_tags, stage_code
from microfacial.records import Evaluation, FoldResult, Samples
from microfacial.samples import make_samples
from microfacial.scoring import pool
from microfacial.settings import Section
from microfacial.stages.project import PARAMS, Project
from microfacial.tracking import Identity, ModelRun, connect


def run(project: Project, model: str, processes: int) -> None:
    """Leave each subject out in turn, then write predictions, audit and pooled scores.

    Raises:
        ConfigError: params.yaml has no such model.
    """
    config = load(PARAMS)
    if model not in config.models:
        raise ConfigError(f"{PARAMS}: models has no {model!r}; it has {', '.join(config.models)}")
    settings = config.models[model]
    samples = _prepare_samples(project, model, settings)
    chunks = evaluation.chunk_plans(plan_folds(samples, config.train), training.chunk_size(model, settings))
    identity = _identify(project, model, config, samples)
    journal = FoldJournal(project.state / "folds" / model, identity.key)
    fit = partial(training.fit, model=model, settings=settings)
    params = {**config.train.model_dump(), **settings.model_dump(), "model": model}
    with ModelRun(connect(Path()), identity, params, Path()) as tracked:
        folds = []
        for fold in _folds(samples, chunks, fit, journal, processes):
            tracked.log_fold(fold)
            folds.append(fold)
            _report_fold(model, fold, len(folds), sum(map(len, chunks)))
        folds.sort(key=lambda fold: (fold.plan.repeat, fold.plan.name))
        scored = pool(model, samples, folds, config.train)
        out = project.build / "train" / model
        storage.write_training(out, samples, folds, scored)
        tracked.finish(scored, _figures(scored, folds), out)
    storage.write_json(project.state / "seconds" / f"{model}.json", sum(fold.seconds for fold in folds))


def _prepare_samples(project: Project, model: str, settings: Section) -> Samples:
    """The inputs a variant wants, with labels and subjects of the clips in the flow store."""
    store = storage.read_store(project.build / "flow", project.build / "faces")
    clips = storage.read_clips(project.build / "clips.csv")
    if store.clips != tuple(clip.id for clip in clips):
        raise StorageError(f"{project.build}: flow and clips.csv are not of the same clips. Run `dvc repro`")
    inputs = MODELS[model].make_inputs(store, settings)
    return make_samples(inputs, store, clips, SCHEMES[project.clips.scheme].classes)


def _identify(project: Project, model: str, config: Config, samples: Samples) -> Identity:
    """Name the run by the digest of everything that its results depend on."""
    data = [project.build / "clips.csv", project.build / "faces" / "faces.json"]
    flow = [project.build / "flow" / name for name in ("flow.npy", "index.json")]
    settings = (config.train.model_dump(), model, config.models[model].model_dump(), samples.classes)
    return Identity(
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        model=model,
        key=storage.digest([*data, *flow, *stage_code("train", model)], *settings),
        seed=config.train.seed,
        tags={"microfacial.protocol": config.train.protocol, **git_tags()},
        digests={"data": data_version(), "flow": dvc_hash(project.build / "flow")},
    )


def _folds(
    samples: Samples, chunks: list[Chunk], fit: FitChunk, journal: FoldJournal, processes: int
) -> Iterator[FoldResult]:
    """All folds: those of finished chunks from the journal, then the others as they finish, journaled at once."""
    todo = []
    for chunk in chunks:
        kept = [journal.read(plan) for plan in chunk]
        if None in kept:
            todo.append(chunk)
        yield from (fold for fold in kept if fold is not None and chunk not in todo)
    for folds in evaluation.run_folds(samples, todo, fit, processes):
        for fold in folds:
            journal.write(fold)
        yield from folds


def _report_fold(model: str, fold: FoldResult, number: int, total: int) -> None:
    hits = int((fold.predicted == fold.truth).sum())
    chosen = f", {fold.chosen}" if fold.chosen else ""
    click.echo(
        f"train {model}: fold {number}/{total} {fold.plan.name}: {hits} of {len(fold.truth)} right"
        f"{chosen}, {fold.seconds:.1f} s"
    )


def _figures(scored: Evaluation, folds: list[FoldResult]) -> dict[str, Figure]:
    figures = {"confusion.png": draw_confusion(scored)}
    if folds[0].history.training_loss:
        figures["loss.png"] = draw_curves(scored.model, folds)
    return figures
