"""Stage `train`: faces and flow → train/MODEL/, each fold of the protocol journaled and tracked as it finishes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from microfacial import evaluation, outcomes, storage, training
from microfacial.config import Config, load
from microfacial.datasets.schemes import SCHEMES
from microfacial.errors import ConfigError
from microfacial.evaluation import Chunk
from microfacial.figures import draw_confusion, draw_curves
from microfacial.journal import FoldJournal, resume
from microfacial.models import MODELS
from microfacial.oracle import pool_oracle, read_oracle, watch_into
from microfacial.protocols import plan_folds
from microfacial.provenance import data_version, dvc_hash, git_tags, stage_code
from microfacial.records import ORACLE, Evaluation, FoldPlan, FoldResult, Samples
from microfacial.samples import make_samples
from microfacial.scoring import pool
from microfacial.settings import Section
from microfacial.stages.countdown import Countdown
from microfacial.stages.project import PARAMS, Project
from microfacial.tracking.runs import Identity, ModelRun
from microfacial.tracking.store import connect

RunFolds = Callable[[Samples, Sequence[Chunk]], Iterator[list[FoldResult]]]


def run(project: Project, model: str, processes: int) -> None:
    """Run every fold of the protocol, then write predictions, audit and pooled scores.

    Raises:
        ConfigError: params.yaml has no such model.
    """
    config = load(PARAMS)
    if model not in config.models:
        raise ConfigError(f"{PARAMS}: models has no {model!r}; it has {', '.join(config.models)}")
    settings = config.models[model]
    samples = _prepare_samples(project, model, settings)
    size = training.chunk_size(model, settings, samples)
    chunks = evaluation.chunk_plans(plan_folds(samples, config.train), size)
    key = _fold_key(project, model, config, samples)
    identity = _identify(project, model, config, key)
    journal = FoldJournal(project.state / "folds" / model, key)
    oracles = project.state / "oracle" / model / key
    run_folds = partial(
        evaluation.run_folds,
        fit=partial(training.fit, model=model, settings=settings),
        processes=processes,
        checkpoints=config.train.checkpoints,
        make_watch=watch_into(oracles) if config.train.oracle else None,
    )
    params = {**config.train.model_dump(), **settings.model_dump(), "model": model}
    countdown = Countdown(f"train {model}", sum(map(len, chunks)), processes)
    with ModelRun(connect(Path()), identity, params, Path()) as tracked, countdown:
        folds = []
        for fold in resume(chunks, journal, partial(run_folds, samples)):
            tracked.log_fold(fold)
            folds.append(fold)
            countdown.count(fold)
        folds.sort(key=lambda fold: (fold.plan.repeat, fold.plan.name))
        scored = pool(model, samples, folds, config.train)
        out = project.build / "train" / model
        outcomes.write_training(out, samples, folds, scored)
        storage.write_json(out / "settings.json", _trained_with(config, model))
        if config.train.oracle:
            _write_oracle(out, model, oracles, [fold.plan for fold in folds], len(samples.classes))
        tracked.finish(scored, _figures(scored, folds), out)
    storage.write_json(project.state / "seconds" / f"{model}.json", sum(fold.seconds for fold in folds))


def _trained_with(config: Config, model: str) -> dict[str, Any]:
    """What a clip is read by to be shown to the model: sections of params.yaml with all that they leave to defaults."""
    faces, flow, own = (
        section.model_dump(mode="json") for section in (config.faces, config.flow, config.models[model])
    )
    return {"faces": faces, "flow": flow, "models": {model: own}}


def _prepare_samples(project: Project, model: str, settings: Section) -> Samples:
    """The inputs a variant wants, with labels and subjects of the clips in the flow store."""
    store, clips = storage.read_measured(project.build)
    inputs = MODELS[model].make_inputs(store, settings)
    return make_samples(inputs, store, clips, SCHEMES[project.clips.scheme].classes)


def _fold_key(project: Project, model: str, config: Config, samples: Samples) -> str:
    """Digest of everything that a fold depends on, but for who is held out and the repetition's seed."""
    data = ("clips.csv", "faces/faces.json", "faces/crops.npy", "flow/flow.npy", "flow/index.json")
    protocol = config.train.model_dump(exclude={"seed", "repeats", "bootstrap_draws"})
    own = config.models[model]
    settings = (protocol, model, own.model_dump(), samples.classes, training.arithmetic(own))
    return storage.digest([*(project.build / name for name in data), *stage_code("train", model)], *settings)


def _identify(project: Project, model: str, config: Config, fold_key: str) -> Identity:
    """Name the run by the digest of everything that its results depend on."""
    return Identity(
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        model=model,
        key=storage.digest([], fold_key, config.train.model_dump()),
        seed=config.train.seed,
        tags={"microfacial.protocol": config.train.protocol, **git_tags()},
        digests={"data": data_version(), "flow": dvc_hash(project.build / "flow")},
    )


def _write_oracle(out: Path, model: str, kept: Path, plans: list[FoldPlan], classes: int) -> None:
    """What the model would have claimed, in a file that says what it is; none for a model without epochs."""
    found = read_oracle(kept, plans)
    if found:
        storage.write_json(out / "oracle.json", {"note": ORACLE, "model": model, **asdict(pool_oracle(found, classes))})


def _figures(scored: Evaluation, folds: list[FoldResult]) -> dict[str, Figure]:
    figures = {"confusion.png": draw_confusion(scored)}
    if folds[0].history.training_loss:
        figures["loss.png"] = draw_curves(scored.model, {fold.plan.key: fold.history for fold in folds})
    return figures
