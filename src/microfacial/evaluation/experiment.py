"""A protocol run from Python: what the pipeline has computed → folds → scores.

data = load_data()
folds = list(run_folds(data, "roi_cnn", processes=2))
print(score(data, folds).overall.uf1)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.datasets import ClipsConfig
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.evaluation import scoring
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.preprocessing.store import read_features
from microfacial.records import Clip, Evaluation, FaceStore, FoldResult, Inputs, Samples
from microfacial.settings import check, read_section, read_sections

_PARAMS = "params.yaml"


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set that the pipeline has computed, and the protocol that evaluates models on it."""

    store: FaceStore
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    protocol: TrainConfig


def load_data(project: Path | str = ".", **protocol: Any) -> Data:
    """What `make repro` has computed of the data set that a project's params.yaml names.

    Args:
        project: folder of params.yaml.
        protocol: keys that replace those of its `train` section, such as `seed=1`.

    Raises:
        ConfigError: params.yaml is missing, or a key is wrong.
        StorageError: the stages up to `flow` have not been run, or for other clips.
    """
    params = Path(project) / _PARAMS
    clips_config = read_section(params, "clips", ClipsConfig)
    train = read_sections(params).get("train", {})
    folder = Path(project) / "results" / clips_config.name
    store, clips = read_features(folder)
    return Data(
        store=store,
        clips=clips,
        classes=SCHEMES[clips_config.scheme].classes,
        protocol=check({**train, **protocol}, TrainConfig, "train"),
    )


def run_folds(
    data: Data, model: str, *, preset: str = "default", processes: int = 1, **settings: Any
) -> Iterator[FoldResult]:
    """Train a variant fold by fold; yield each fold with its held-out predictions as it finishes, in any order.

    Nothing is written or tracked. The numbers are those of the `train` stage with the same settings.

    Args:
        settings: keys of `models.<model>` in params.yaml.

    Raises:
        ConfigError: there is no such model, preset or key, or a value is wrong.
        ProtocolError: the data cannot be evaluated by the protocol.
    """
    chosen = resolve(model, {"preset": preset, **settings}, model)
    samples = _label(MODELS[model].make_inputs(data.store, chosen), data)
    return train_folds(samples, plan_folds(samples, data.protocol), model, chosen, processes=processes)


def score(data: Data, folds: Sequence[FoldResult], name: str = "model") -> Evaluation:
    """Scores of all folds together, overall and per corpus, with intervals over subjects.

    Raises:
        ProtocolError: the folds do not predict every clip of the protocol exactly once.
    """
    nothing = Inputs(values=np.empty((len(data.clips), 0), np.float32))
    return scoring.pool(name, _label(nothing, data), folds, data.protocol)


def _label(inputs: Inputs, data: Data) -> Samples:
    return make_samples(inputs, data.store, data.clips, data.classes)
