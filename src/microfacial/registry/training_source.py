"""Describe a finished training in `results/`, and check that params.yaml still describes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microfacial.datasets import find_scheme
from microfacial.datasets.clip_table import read_clips
from microfacial.errors import ConfigError, StorageError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.result_files import read_evaluation, read_trained_settings
from microfacial.files import read_csv
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.stage_settings import differences, require_stage_settings
from microfacial.records import Clip
from microfacial.settings import Section
from microfacial.tracking.fold_records import read_folds
from microfacial.tracking.run_records import read_identity


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """A finished training, and the present settings and inputs that it must have been made with.

    Attributes:
        results: folder of the data set, `results/<data set>/`.
        params: path of params.yaml. Error messages name it.
        model: name of the variant.
        dataset: name of the data set.
        scheme: name of the label scheme.
        settings: settings of the variant, with its preset resolved.
        faces: the section `faces` of params.yaml.
        flow: the section `flow` of params.yaml.
        train: the section `train` of params.yaml, with the number of repetitions of this model.
        tuned_on: subjects whose clips a study used to choose the settings, such as casme2/sub03. Empty without a study.
        clips_hash: MD5 of clips.csv.
        faces_hash: DVC's hash of the folder `faces`.
        flow_hash: DVC's hash of the folder `flow`.
    """

    results: Path
    params: Path
    model: str
    dataset: str
    scheme: str
    settings: Section
    faces: FacesConfig
    flow: FlowConfig
    train: TrainConfig
    tuned_on: tuple[str, ...]
    clips_hash: str
    faces_hash: str
    flow_hash: str

    @property
    def folder(self) -> Path:
        """The folder that the `train` stage wrote."""
        return self.results / "train" / self.model

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of the label scheme."""
        return find_scheme(self.scheme).classes

    @property
    def sections(self) -> dict[str, Any]:
        """The sections that turn a clip into the model's inputs, as the `train` stage writes them to settings.json."""
        return {
            "faces": self.faces.model_dump(mode="json"),
            "flow": self.flow.model_dump(mode="json"),
            "models": {self.model: self.settings.model_dump(mode="json")},
        }

    def read_clips(self) -> tuple[Clip, ...]:
        """Read the clips of the data set from clips.csv."""
        return read_clips(self.results / "clips.csv")


def require_current(source: TrainingSource) -> None:
    """Check that a training was made with the present settings, clips, faces and flow.

    Trainings of earlier versions did not record their faces, so their faces are not checked.

    Args:
        source: the training to check.

    Raises:
        ConfigError: a setting differs, or a tuned subject is not in the data. The message names the key.
        StorageError: the clips, the faces or the flow have changed since the training.
    """
    require_stage_settings(source.results, source.params)
    for key, current, used in _find_changed_settings(source):
        raise ConfigError(
            f"{source.params}: {key} is {current!r}, but {source.folder} was made with {used!r}. Run `dvc repro`"
        )
    identity = read_identity(source.folder)
    for name, current, used in (
        ("clips.csv", source.clips_hash, identity.clips),
        ("faces", source.faces_hash, identity.faces or source.faces_hash),
        ("flow", source.flow_hash, identity.flow.digest),
        ("train", source.train.model_dump(mode="json"), identity.settings["train"]),
    ):
        if current != used:
            raise StorageError(f"{source.folder}: {name} has changed since this training. Run `dvc repro`")
    clips = source.read_clips()
    labels = {clip.id: clip.label for clip in clips}
    predicted = {row["clip"]: row["truth"] for row in read_csv(source.folder / "predictions.csv", ("clip", "truth"))}
    if source.train.protocol == "holdout":  # tests some clips only
        labels = {clip: label for clip, label in labels.items() if clip in predicted}
    if predicted != labels:
        raise StorageError(f"{source.folder}: the clips or labels in clips.csv have changed. Run `dvc repro`")
    unknown = sorted({*source.tuned_on} - {clip.person for clip in clips})
    if unknown:
        raise ConfigError(
            f"{source.params}: tuned.{source.model}.subjects: clips.csv has no clip of {', '.join(unknown)}. Correct "
            f"the names, or remove the entry if {source.model} was not tuned on this data set"
        )


def _find_changed_settings(source: TrainingSource) -> Iterator[tuple[str, Any, Any]]:
    """Yield each setting that has changed since the training: key, value in params.yaml, value in the training."""
    yield from differences(source.sections, read_trained_settings(source.folder, source.model))
    evaluation = read_evaluation(source.folder)
    seed = min(fold.repeat for fold in read_folds(source.folder))
    for key, current, used in (
        ("train.protocol", source.train.protocol, evaluation.protocol),
        ("train.repeats", source.train.repeats, evaluation.repeats),
        ("train.seed", source.train.seed, seed),
        ("clips.scheme", source.classes, evaluation.classes),
    ):
        if current != used:
            yield key, current, used
