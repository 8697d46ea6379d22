"""Records of a training and the files that hold them. `microfacial sync` writes a missing run from these files.

results/<data set>/train/<model>/   identity, folds, curves, predictions, scores: the same on every machine
.microfacial/<data set>/runs/       commit, host and durations: known only to the machine that trained
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from microfacial import files
from microfacial.datasets.label_schemes import UNITS_SCHEME
from microfacial.errors import DamagedError
from microfacial.evaluation.result_files import read_trained_settings
from microfacial.records import LearningTask

_MAX_CHARACTERS = 5900  # of a parameter. The limit of MLflow is 6000
_STUDIES, _UNITS = " · studies", f" · {UNITS_SCHEME.name}"  # ends of the names of experiments
PRETRAININGS = "motion prior"
"""Name of the experiment of the runs of `microfacial pretrain`. Names of other experiments contain ` · `."""

_IDENTITY, _SETTINGS = "run.json", "settings.json"


def experiment_name(dataset: str, scheme: str, *, studies: bool = False, task: LearningTask = "classes") -> str:
    """Return the name of the experiment of a data set and label scheme in MLflow.

    Args:
        dataset: name of the data set.
        scheme: name of the label scheme.
        studies: whether to return the experiment of studies, and not of trainings.
        task: task of the trainings. All trainings of action units of a data set share an experiment.
    """
    return f"{dataset}{_UNITS}" if task == "units" else f"{dataset} · {scheme}{_STUDIES if studies else ''}"


def is_study_experiment(name: str) -> bool:
    """Return whether an experiment with a name from `experiment_name` has studies."""
    return name.endswith(_STUDIES)


def is_unit_experiment(name: str) -> bool:
    """Return whether an experiment with a name from `experiment_name` has trainings of action units."""
    return name.endswith(_UNITS)


@dataclass(frozen=True, kw_only=True)
class FlowDigest:
    """Identity of the flow that a training used.

    Attributes:
        digest: DVC's hash of the folder.
        shape: shape of the flow of all clips, `(N, T, C, H, W)`.
        unit: unit of the flow, `px` or `stretched`.
    """

    digest: str
    shape: tuple[int, ...]
    unit: str


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """Identity of a run: its data, model and settings. It is the same on every machine.

    Attributes:
        key: digest of everything that the results depend on.
        dataset: name of the data set.
        scheme: label scheme.
        model: name of the variant.
        corpora: corpora of the clips.
        clips: MD5 of clips.csv, which contains a digest of the frames of every clip.
        flow: identity of the flow.
        settings: the sections `train`, `faces` and `flow` of params.yaml, and the resolved settings of the model as
            `model`.
        motion_prior: SHA-256 of the weights of the motion prior. It is empty for a model that does not use them.
        faces: DVC's hash of the folder of faces. It is empty in runs of earlier versions.
    """

    key: str
    dataset: str
    scheme: str
    model: str
    corpora: tuple[str, ...]
    clips: str
    flow: FlowDigest
    settings: Mapping[str, Mapping[str, Any]]
    motion_prior: str = ""
    faces: str = ""

    @property
    def task(self) -> LearningTask:
        """What the model recognises. Runs of earlier versions name no task; they have classes."""
        return "units" if self.settings["train"].get("task") == "units" else "classes"

    @property
    def experiment(self) -> str:
        """Name of the experiment: one per data set and label scheme, and one for its action units."""
        return experiment_name(self.dataset, self.scheme, task=self.task)

    @property
    def facts(self) -> dict[str, str]:
        """The main facts about the run, by name. They are tags and parameters of the model's run and of its folds."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "scheme": self.scheme,
            "protocol": self.settings["train"]["protocol"],
            "corpora": " ".join(self.corpora),
            **({"task": self.task} if self.task == "units" else {}),
            "seed": str(self.settings["train"]["seed"]),
            **({"motion_prior": self.motion_prior} if self.motion_prior else {}),
        }

    @property
    def params(self) -> dict[str, str]:
        """Parameters of the run: all settings without nesting, written as in params.yaml.

        Settings of the model have their own names. Other settings have the name of their section in front. Settings of
        flow methods that were not used are left out.
        """
        flow = self.settings["flow"]
        unused = {name for name, value in flow.items() if isinstance(value, Mapping) and name != flow["method"]}
        train = {name: value for name, value in self.settings["train"].items() if name not in self.facts}
        sections = {
            "train": train,
            "faces": self.settings["faces"],
            "flow": {name: value for name, value in flow.items() if name not in unused},
        }
        settings = {**dict(_flatten(self.settings["model"])), **dict(_flatten(sections))}
        return self.facts | {name: _as_text(value) for name, value in settings.items()}


@dataclass(frozen=True, kw_only=True)
class RunMetadata:
    """Facts about a training that do not influence its results.

    Attributes:
        tags: commit, data version and package version.
        started_ms: start, in milliseconds since 1970, or None if it is unknown.
        ended_ms: end, in milliseconds since 1970, or None.
        seconds: duration of each fold, by the fold's key.
    """

    tags: Mapping[str, str]
    started_ms: int | None = None
    ended_ms: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


UNKNOWN_METADATA = RunMetadata(tags={"microfacial.git_commit": "unknown", "microfacial.data": "unknown"})
"""Metadata of results from DVC's cache, which another machine made."""


def write_identity(folder: Path, identity: RunIdentity) -> None:
    """Write run.json, and settings.json with the settings that turn a clip into the model's input.

    Args:
        folder: results/<data set>/train/<model>.
        identity: name, data and settings of the run.
    """
    settings = identity.settings
    shown = {"faces": settings["faces"], "flow": settings["flow"], "models": {identity.model: settings["model"]}}
    files.write_json(folder / _SETTINGS, shown)
    files.write_json(folder / _IDENTITY, {**asdict(identity), "settings": {"train": settings["train"]}})


def read_identity(folder: Path) -> RunIdentity:
    """Read the identity of a run from run.json and settings.json.

    Args:
        folder: results/<data set>/train/<model>.

    Raises:
        StorageError: a file is missing or damaged, or run.json belongs to another model than the folder.
    """
    path = folder / _IDENTITY
    identity = files.read_json(path, RunIdentity)
    with files.refuse_damaged(path):
        if identity.model != folder.name:
            raise DamagedError(f"it is the run of {identity.model}, not of {folder.name}")
        train = identity.settings.get("train", {})
        if not {"protocol", "seed"} <= train.keys():
            raise DamagedError("settings.train has no protocol or no seed")
        if train.get("task", "classes") not in get_args(LearningTask):
            raise DamagedError(f"settings.train has the task {train['task']!r}")
        if not identity.flow.shape or min(identity.flow.shape) < 1:
            raise DamagedError(f"flow has the shape {identity.flow.shape}")
    shown = read_trained_settings(folder, identity.model)
    settings = {"faces": shown["faces"], "flow": shown["flow"], "model": shown["models"][identity.model]}
    return replace(identity, settings={**identity.settings, **settings})


def find_trained(results: Path) -> list[Path]:
    """Return the folders of all trained models of all data sets.

    Args:
        results: the folder results/ of a project.
    """
    return sorted(path.parent for path in results.glob(f"*/train/*/{_IDENTITY}"))


def write_metadata(state: Path, identity: RunIdentity, metadata: RunMetadata) -> None:
    """Write the metadata of a training.

    Args:
        state: the folder .microfacial/ of a project.
        identity: name, data and settings of the run.
        metadata: the metadata.
    """
    files.write_json(_metadata_path(state, identity), asdict(metadata))


def read_metadata(state: Path, identity: RunIdentity) -> RunMetadata:
    """Read the metadata of a training, or return `UNKNOWN_METADATA` if another machine trained it.

    Args:
        state: the folder .microfacial/ of a project.
        identity: name, data and settings of the run.
    """
    path = _metadata_path(state, identity)
    remedy = "Delete it; the run then has no times and no commit"
    return files.read_json(path, RunMetadata, remedy) if path.exists() else UNKNOWN_METADATA


def _metadata_path(state: Path, identity: RunIdentity) -> Path:
    return state / identity.dataset / "runs" / identity.model / f"{identity.key}.json"


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]} …"
