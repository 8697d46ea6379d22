"""Stage `train`: faces and flow → train/MODEL/, each fold of the protocol journaled and tracked as it finishes."""

import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from microfacial import __version__, files
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.errors import ConfigError
from microfacial.evaluation import result_files as outcomes
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.oracle import pool_oracle, read_oracle, watch_into
from microfacial.evaluation.protocols import plan_folds
from microfacial.evaluation.scoring import pool
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.progress import Countdown
from microfacial.pipeline.project import PARAMS, STATE, Project
from microfacial.pipeline.provenance import data_version, dvc_hash, file_hash, git_tags, stage_code
from microfacial.preprocessing.store import features_digest, read_features
from microfacial.records import ORACLE, FoldPlan, Samples
from microfacial.settings import Section
from microfacial.tracking.background_writer import BackgroundWriter
from microfacial.tracking.run_records import (
    FlowDigest,
    RunIdentity,
    RunMetadata,
    summarise_fold,
    write_circumstances,
    write_identity,
)


def run_train(project: Project, model: str, processes: int) -> None:
    """Run every fold of the protocol, then write predictions, audit and pooled scores.

    Raises:
        ConfigError: params.yaml has no such model.
    """
    config = load(PARAMS)
    if model not in config.models:
        raise ConfigError(f"{PARAMS}: models has no {model!r}; it has {', '.join(config.models)}")
    settings = config.models[model]
    samples = _prepare_samples(project, model, settings)
    plans = plan_folds(samples, config.train)
    key = _fold_key(project, model, config, samples)
    identity, known = _identify(project, model, config, samples, key), _collect_provenance()
    oracles = project.state / "oracle" / model / key
    training = train_folds(
        samples,
        plans,
        model,
        settings,
        processes=processes,
        cache=FoldCache(project.state / "folds" / model, key),
        checkpoints=config.train.checkpoints,
        make_watch=watch_into(oracles) if config.train.oracle else None,
    )
    countdown = Countdown(f"train {model}", len(plans), processes)
    with BackgroundWriter(identity, known, Path()) as mirror, countdown:
        folds = []
        for fold in training:
            mirror.log_fold(summarise_fold(fold), fold.seconds)
            folds.append(fold)
            countdown.count(fold)
        folds.sort(key=lambda fold: (fold.plan.repeat, fold.plan.name))
        out = project.results / "train" / model
        outcomes.write_training(out, samples, folds, pool(model, samples, folds, config.train))
        if config.train.oracle:
            _write_oracle(out, model, oracles, [fold.plan for fold in folds], len(samples.classes))
        seconds = {fold.plan.key: fold.seconds for fold in folds}
        known = replace(known, ended_ms=_now_ms(), seconds=seconds)
        write_circumstances(STATE, identity, known)
        write_identity(out, identity)  # last: a folder that has it is whole
        mirror.finish(out, known)
    files.write_json(project.state / "seconds" / f"{model}.json", sum(seconds.values()))


def _collect_provenance() -> RunMetadata:
    """What the results do not depend on, and people want to know of them."""
    tags = {**git_tags(), "microfacial.data": data_version(), "microfacial.version": __version__}
    return RunMetadata(tags=tags, started_ms=_now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)


def _prepare_samples(project: Project, model: str, settings: Section) -> Samples:
    """The inputs a variant wants, with labels and subjects of the clips in the flow store."""
    store, clips = read_features(project.results)
    inputs = MODELS[model].make_inputs(store, settings)
    return make_samples(inputs, store, clips, SCHEMES[project.clips.scheme].classes)


def _fold_key(project: Project, model: str, config: Config, samples: Samples) -> str:
    """Digest of everything that a fold depends on, but for who is held out and the repetition's seed."""
    code = files.digest(stage_code("train", model))
    features = features_digest(project.results)
    return fold_key(features, code, config.train, model, config.models[model], samples.classes)


def _identify(project: Project, model: str, config: Config, samples: Samples, fold_key: str) -> RunIdentity:
    """Name the run by the digest of everything that its results depend on."""
    sections = {"train": config.train, "faces": config.faces, "flow": config.flow, "model": config.models[model]}
    store, _ = read_features(project.results)
    return RunIdentity(
        key=files.digest([], fold_key, config.train.model_dump()),
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        model=model,
        corpora=tuple(np.unique(samples.corpora).tolist()),
        clips=file_hash(project.results / "clips.csv"),
        flow=FlowDigest(digest=dvc_hash(project.results / "flow"), shape=store.flow.shape, unit=store.unit),
        settings={name: section.model_dump(mode="json") for name, section in sections.items()},
    )


def _write_oracle(out: Path, model: str, kept: Path, plans: list[FoldPlan], classes: int) -> None:
    """What the model would have claimed, in a file that says what it is; none for a model without epochs."""
    found = read_oracle(kept, plans)
    if found:
        files.write_json(out / "oracle.json", {"note": ORACLE, "model": model, **asdict(pool_oracle(found, classes))})
