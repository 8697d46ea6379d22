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
from microfacial.figures import draw_confusion, draw_curves
from microfacial.journal import FoldJournal
from microfacial.models import MODELS
from microfacial.provenance import data_version, dvc_hash, git_tags, stage_code
from microfacial.records import Evaluation, FoldPlan, FoldResult, Samples
from microfacial.samples import make_samples
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
    plans = evaluation.plan_folds(samples, config.train)
    identity = _identify(project, model, config, samples)
    journal = FoldJournal(project.state / "folds" / model, identity.key)
    fit = partial(training.fit, model=model, settings=settings)
    params = {**config.train.model_dump(), **settings.model_dump(), "model": model}
    with ModelRun(connect(Path()), identity, params, Path()) as tracked:
        folds = []
        for fold in _folds(samples, plans, fit, journal, processes):
            tracked.log_fold(fold)
            folds.append(fold)
            _report_fold(model, fold, len(folds), len(plans))
        folds.sort(key=lambda fold: fold.plan.subject)
        scored = evaluation.pool(model, samples, folds, config.train)
        out = project.build / "train" / model
        storage.write_training(out, samples, folds, scored)
        tracked.finish(scored, _figures(scored, folds), out)
    storage.write_json(project.state / "seconds" / f"{model}.json", sum(fold.seconds for fold in folds))


def _prepare_samples(project: Project, model: str, settings: Section) -> Samples:
    """The inputs a variant wants, with labels and subjects of the clips in the flow store."""
    store = storage.read_flow(project.build / "flow", project.build / "faces")
    clips = storage.read_clips(project.build / "clips.csv")
    if store.clips != tuple(clip.id for clip in clips):
        raise StorageError(f"{project.build}: flow and clips.csv are not of the same clips. Run `dvc repro`")
    inputs = MODELS[model].make_inputs(store, settings)
    return make_samples(inputs, clips, SCHEMES[project.clips.scheme].classes)


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
    samples: Samples, plans: list[FoldPlan], fit: evaluation.Fit, journal: FoldJournal, processes: int
) -> Iterator[FoldResult]:
    """All folds: finished ones from the journal, then the others as they finish, each journaled at once."""
    kept = [fold for plan in plans if (fold := journal.read(plan)) is not None]
    yield from kept
    finished = {fold.plan.subject for fold in kept}
    todo = [plan for plan in plans if plan.subject not in finished]
    for fold in evaluation.run_folds(samples, todo, fit, processes):
        journal.write(fold)
        yield fold


def _report_fold(model: str, fold: FoldResult, number: int, total: int) -> None:
    hits = int((fold.predicted == fold.truth).sum())
    chosen = f", {fold.chosen}" if fold.chosen else ""
    click.echo(
        f"train {model}: fold {number}/{total} {fold.plan.subject}: {hits} of {len(fold.truth)} right"
        f"{chosen}, {fold.seconds:.1f} s"
    )


def _figures(scored: Evaluation, folds: list[FoldResult]) -> dict[str, Figure]:
    figures = {"confusion.png": draw_confusion(scored)}
    if folds[0].history.training_loss:
        figures["loss.png"] = draw_curves(scored.model, folds)
    return figures
