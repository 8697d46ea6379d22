"""Stage `train`: train all folds of the protocol, store and track each one as it finishes, and write `train/MODEL/`."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
import numpy as np

from microfacial import __version__, files
from microfacial.datasets import find_scheme
from microfacial.errors import ConfigError, suggest
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.oracle import pool_oracle, read_oracle, record_oracle
from microfacial.evaluation.planned import plan_training
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.result_files import write_training
from microfacial.evaluation.unit_files import write_units
from microfacial.models.lookup import uses_prior
from microfacial.models.prior import PRIOR_SHA256
from microfacial.pipeline.config import Config, describe_unused_holdout, load
from microfacial.pipeline.data_version import data_version
from microfacial.pipeline.progress import Countdown
from microfacial.pipeline.project import PARAMS, STATE, Project
from microfacial.pipeline.provenance import dvc_hash, file_hash, git_tags
from microfacial.preprocessing.stage_settings import require_stage_settings
from microfacial.preprocessing.store import features_digest, read_features
from microfacial.records import ORACLE, FaceStore, FoldPlan, FoldResult, Samples
from microfacial.source_code import code_digest
from microfacial.tracking.background_writer import BackgroundWriter
from microfacial.tracking.fold_records import summarise_fold
from microfacial.tracking.run_records import FlowDigest, RunIdentity, RunMetadata, write_identity, write_metadata


def run_train(project: Project, model: str, processes: int) -> None:
    """Train every fold of the protocol, then write predictions, the audit of the folds and pooled scores.

    Finished folds of an interrupted run are not trained again.

    Args:
        project: data set whose flow has been written.
        model: name of a model in the `models` section of params.yaml.
        processes: number of processes. It changes the time, not the results.

    Raises:
        ConfigError: params.yaml has no such model, or training diverges.
        StorageError: faces or flow are missing.
        ProtocolError: the data cannot be divided by the protocol.
    """
    config = load(PARAMS)
    if model not in config.models:
        raise ConfigError(
            f"{PARAMS}: models has no {model!r}. It has {', '.join(config.models)}{suggest(model, config.models)}"
        )
    settings = config.models[model]
    require_stage_settings(project.results, PARAMS)
    store, clips = read_features(project.results)
    planned = plan_training(
        model, settings, config.train, store, clips, classes=find_scheme(project.clips.scheme).classes
    )
    samples, protocol = planned.samples, planned.protocol
    if protocol.repeats < config.train.repeats:
        click.echo(
            f"train {model}: 1 repetition, not {config.train.repeats}, because the seed does not change this model"
        )
    if warning := describe_unused_holdout(config.train):
        click.echo(f"train {model}: {PARAMS}: {warning}", err=True)
    code = code_digest("train", model)
    out = project.results / "train" / model
    key = fold_key(features_digest(project.results), code, protocol, model, settings, samples.classes)
    oracle_folder = project.state / "oracle" / model / key
    units = samples.units if protocol.task == "units" else None
    identity = _identify(project, model, config, protocol, samples, store, key)
    metadata = _collect_provenance(project)
    countdown = Countdown(f"train {model}", len(planned.plans), processes)
    with BackgroundWriter(identity, metadata, Path()) as tracker, countdown:

        def report(fold: FoldResult) -> None:
            tested = None if units is None else units[fold.plan.test_rows].astype(np.float64)
            summary = summarise_fold(fold, tested)
            tracker.log_fold(summary, fold.seconds)
            countdown.count(fold, summary.result)

        folds = planned.train(
            processes=processes,
            cache=FoldCache(project.state / "folds" / model, key, protocol.task),
            make_watch=record_oracle(oracle_folder) if protocol.oracle else None,
            report=report,
        )
        if protocol.task == "units":
            write_units(out, samples, folds, planned.score_units(folds))
        else:
            write_training(out, samples, folds, planned.score(folds))
        if protocol.oracle:
            _write_oracle(out, model, oracle_folder, [fold.plan for fold in folds], len(samples.classes))
        seconds = {fold.plan.key: fold.seconds for fold in folds}
        metadata = replace(metadata, ended_ms=_now_ms(), seconds=seconds)
        write_metadata(STATE, identity, metadata)
        write_identity(out, identity)  # written last, so a folder that contains it is complete
        tracker.finish(out, metadata)
    files.write_json(project.state / "seconds" / f"{model}.json", sum(seconds.values()))


def _identify(
    project: Project,
    model: str,
    config: Config,
    protocol: TrainConfig,
    samples: Samples,
    store: FaceStore,
    key: str,
) -> RunIdentity:
    """Return the identity of the run. Its key is a digest of everything that the results depend on."""
    sections = {"train": protocol, "faces": config.faces, "flow": config.flow, "model": config.models[model]}
    return RunIdentity(
        key=files.digest([], key, protocol.model_dump()),
        dataset=config.clips.name,
        scheme=config.clips.scheme,
        model=model,
        corpora=tuple(np.unique(samples.corpora).tolist()),
        clips=file_hash(project.results / "clips.csv"),
        flow=FlowDigest(digest=dvc_hash(project.results / "flow"), shape=store.flow.shape, unit=store.unit),
        settings={name: section.model_dump(mode="json") for name, section in sections.items()},
        motion_prior=PRIOR_SHA256 if uses_prior(model, config.models[model]) else "",
        faces=dvc_hash(project.results / "faces"),
    )


def _collect_provenance(project: Project) -> RunMetadata:
    """Return facts about the run that the results do not depend on."""
    tags = {**git_tags(), "microfacial.data": data_version(project.frames), "microfacial.version": __version__}
    return RunMetadata(tags=tags, started_ms=_now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)


def _write_oracle(out: Path, model: str, folder: Path, plans: Sequence[FoldPlan], classes: int) -> None:
    """Write the oracle's scores to a file with a note that they are not a result. A model without epochs has none."""
    oracle = read_oracle(folder, plans)
    if oracle:
        score = asdict(pool_oracle(oracle, classes))
        files.write_json(out / "oracle.json", {"note": ORACLE, "model": model, **score})
