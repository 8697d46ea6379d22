"""Run a protocol from Python on the features that the pipeline has computed.

data = load_data()
folds = list(run_folds(data, "roi_cnn", processes=2))
print(score(data, folds).overall.uf1)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.datasets import ClipsConfig, find_scheme
from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.errors import ConfigError
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.planned import plan_training
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.scoring import pool
from microfacial.evaluation.unit_scoring import keep_annotated, pool_units
from microfacial.files import as_path
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.preprocessing.stage_settings import require_stage_settings
from microfacial.preprocessing.store import read_features
from microfacial.records import Clip, Evaluation, FaceStore, FoldResult, Inputs, Samples, UnitEvaluation
from microfacial.settings import check, read_section, read_sections
from microfacial.workers import check_processes

_PARAMS = "params.yaml"


@dataclass(frozen=True, kw_only=True)
class Data:
    """Features of a data set, and the protocol that evaluates models on it.

    Attributes:
        store: crops, flow and regions of all clips.
        clips: the clips, in the order of the store.
        classes: names of the classes, in the order of the labels.
        protocol: the `train` section of params.yaml.
    """

    store: FaceStore
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    protocol: TrainConfig

    def __post_init__(self) -> None:
        """Check that the features belong to the clips.

        Raises:
            ConfigError: they belong to other clips, or the order differs.
        """
        if difference := self.store.find_difference(self.clips):
            raise ConfigError(
                f"Data: store and clips have other clips ({difference}). Filter and order both in the same way, or "
                "list clips under clips.exclude in params.yaml"
            )


def load_data(project: Path | str = ".", **protocol: Any) -> Data:
    """Load the features of the data set that a project's params.yaml names. Run `make repro` first.

    Args:
        project: folder of params.yaml.
        **protocol: keys that replace those of the `train` section, such as `seed=1`.

    Returns:
        The data set. Large arrays are memory-mapped.

    Raises:
        ConfigError: the project is no path, params.yaml is missing, or a key is wrong.
        StorageError: a stage up to `flow` has not been run, or its output belongs to other clips or settings.
    """
    root = as_path(project, "load_data: project")
    params = root / _PARAMS
    clips_config = read_section(params, "clips", ClipsConfig)
    train = read_sections(params).get("train", {})
    results = root / "results" / clips_config.name
    require_stage_settings(results, params)
    store, clips = read_features(results)
    return Data(
        store=store,
        clips=clips,
        classes=find_scheme(clips_config.scheme).classes,
        protocol=check({**train, **protocol}, TrainConfig, "train"),
    )


def run_folds(
    data: Data, model: str, *, preset: str = "default", processes: int | None = 1, **settings: Any
) -> Iterator[FoldResult]:
    """Train and predict all folds of the protocol. Yield each fold as it finishes, in any order.

    A model that ignores the seed has the folds of one repetition only, whatever `repeats` is.

    Nothing is written or tracked. The predictions are those of the `train` stage with the same settings.

    Args:
        data: the data set and the protocol.
        model: name of a model.
        preset: name of one of the model's presets.
        processes: number of processes. None uses all cores. It changes the time, not the results.
        **settings: keys of `models.<model>` in params.yaml.

    Returns:
        An iterator over the results of the folds.

    Raises:
        ConfigError: the model, the preset or a key does not exist, or a value is wrong. The data are not the result of
            `load_data`.
        ProtocolError: the data cannot be divided by the protocol, or the task is `units` and no clip has annotated
            units.
    """
    _check_data(data, "run_folds")
    count = check_processes(processes)
    resolved = resolve(model, {"preset": preset, **settings}, model)
    planned = plan_training(model, resolved, data.protocol, data.store, data.clips, data.classes)
    return train_folds(planned.samples, planned.plans, model, resolved, processes=count, device=planned.device)


def score(data: Data, folds: Iterable[FoldResult], name: str = "model") -> Evaluation:
    """Score all folds together, overall and per corpus, with confidence intervals over subjects.

    Folds of the first repetition alone are scored as one repetition; see `Evaluation.repeats`.

    Args:
        data: the data set and the protocol.
        folds: results of all folds and repetitions, in any order.
        name: name of the model in the result.

    Returns:
        Scores and their intervals.

    Raises:
        ConfigError: the data are not the result of `load_data`, their task is `units`, or the folds are not those of
            `run_folds` for this task.
        ProtocolError: the folds do not predict every clip of the protocol exactly once.
    """
    _check_data(data, "score")
    if data.protocol.task == "units":
        raise ConfigError('score: train.task is units. Call score_action_units, or pass task="classes" to load_data')
    results = _collect(folds, len(data.classes), "score")
    return pool(name, _label(data), results, _scored_protocol(results, data.protocol))


def score_action_units(data: Data, folds: Iterable[FoldResult], name: str = "model") -> UnitEvaluation:
    """Score all folds of the task `units` together: F1 and area under the ROC curve of each unit, and their means.

    Folds of the first repetition alone are scored as one repetition; see `UnitEvaluation.repeats`.

    Args:
        data: the data set and the protocol, such as `load_data(task="units")`.
        folds: results of all folds and repetitions, in any order.
        name: name of the model in the result.

    Returns:
        Scores and their intervals.

    Raises:
        ConfigError: the data are not the result of `load_data`, their task is `classes`, or the folds are not those of
            `run_folds` for this task.
        ProtocolError: the folds do not predict every clip of the protocol exactly once.
    """
    _check_data(data, "score_action_units")
    if data.protocol.task == "classes":
        raise ConfigError('score_action_units: train.task is classes. Call score, or pass task="units" to load_data')
    results = _collect(folds, len(SCORED_UNITS), "score_action_units")
    return pool_units(name, keep_annotated(_label(data)), results, _scored_protocol(results, data.protocol))


def _check_data(data: object, where: str) -> None:
    if not isinstance(data, Data):
        raise ConfigError(f"{where} needs the result of load_data, not {type(data).__name__}. Call load_data first")


def _collect(folds: Iterable[FoldResult], columns: int, where: str) -> list[FoldResult]:
    """Return the folds. Refuse other objects, and folds whose probabilities have another number of columns."""
    results = list(folds) if isinstance(folds, Iterable) else [folds]
    others = [type(fold).__name__ for fold in results if not isinstance(fold, FoldResult)]
    if others:
        raise ConfigError(f"{where} needs the folds that run_folds yields, found {others[0]}. Call run_folds first")
    widths = {fold.probabilities.shape[1] for fold in results} - {columns}
    if widths:
        raise ConfigError(
            f"{where} needs probabilities of {columns} classes or units, found {min(widths)}. Pass the folds that "
            "run_folds yields for the same data"
        )
    return results


def _scored_protocol(folds: Sequence[FoldResult], protocol: TrainConfig) -> TrainConfig:
    """Return the protocol with one repetition if the folds are those of the first repetition alone."""
    first_only = all(fold.plan.repeat == protocol.seed for fold in folds)
    return protocol.model_copy(update={"repeats": 1}) if first_only else protocol


def _label(data: Data) -> Samples:
    no_inputs = Inputs(values=np.empty((len(data.clips), 0), np.float32))
    return make_samples(no_inputs, data.store, data.clips, data.classes)
