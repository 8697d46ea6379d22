"""What a training left in files, as its run in MLflow tells it: a run that MLflow lacks is written anew from them.

results/<data set>/train/<model>/   identity, folds, curves, predictions, scores: the same wherever they are made
.microfacial/<data set>/runs/     what only the machine that trained knows: commit, host, seconds
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from microfacial import files
from microfacial.errors import StorageError
from microfacial.evaluation.result_files import read_curves
from microfacial.records import FoldResult, History

_LONGEST = 5900  # characters of a parameter; MLflow takes 6000
_IDENTITY, _SETTINGS = "run.json", "settings.json"


@dataclass(frozen=True, kw_only=True)
class FlowDigest:
    """The flow store that a training saw: DVC's hash, shape `(N, T, C, H, W)` and unit."""

    digest: str
    shape: tuple[int, ...]
    unit: str


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """What a run is about, the same wherever it is trained.

    `key` is the digest of everything that the results depend on. `settings` has the sections `train`, `faces` and
    `flow` of params.yaml and the model's own as `model`, resolved. `clips` is the MD5 of clips.csv, which has a digest
    of every clip's frames.
    """

    key: str
    dataset: str
    scheme: str
    model: str
    corpora: tuple[str, ...]
    clips: str
    flow: FlowDigest
    settings: Mapping[str, Mapping[str, Any]]

    @property
    def experiment(self) -> str:
        """One experiment per data set and label scheme."""
        return f"{self.dataset} · {self.scheme}"

    @property
    def facts(self) -> dict[str, str]:
        """What runs are told apart by first: tags and parameters of models and folds alike."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "scheme": self.scheme,
            "protocol": self.settings["train"]["protocol"],
            "corpora": " ".join(self.corpora),
            "seed": str(self.settings["train"]["seed"]),
        }

    @property
    def params(self) -> dict[str, str]:
        """The settings, flat, as params.yaml writes values: the model's own by their names, others after a section's.

        Of `flow` only what its method uses, so that what cannot have counted is no column.
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
    """What a training depended on in nothing: `tags` such as commit and host, `seconds` by fold, from when to when."""

    tags: Mapping[str, str]
    started_ms: int | None = None
    ended_ms: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


UNKNOWN_METADATA = RunMetadata(tags={"microfacial.git_commit": "unknown", "microfacial.data": "unknown"})
"""Where the results came from DVC's cache, and another machine made them."""


@dataclass(frozen=True, kw_only=True)
class TrainedFold:
    """One fold as its run tells it; `name` is who was held out, `repeat` the repetition's seed."""

    name: str
    repeat: int
    seed: int
    chosen: str
    clips: int
    hits: int
    history: History

    @property
    def key(self) -> str:
        """Unique among the folds of all repetitions."""
        return f"{self.name}#{self.repeat}"


def summarise_fold(fold: FoldResult) -> TrainedFold:
    """A fold that has just been trained."""
    return TrainedFold(
        name=fold.plan.name,
        repeat=fold.plan.repeat,
        seed=fold.plan.seed,
        chosen=fold.chosen,
        clips=len(fold.truth),
        hits=int((fold.predicted == fold.truth).sum()),
        history=fold.history,
    )


def read_folds(folder: Path) -> Iterator[TrainedFold]:
    """All folds that `outcomes.write_training` wrote, which lists the predictions of a fold in the order of folds.

    Raises:
        StorageError: a file is missing or damaged.
    """
    try:
        curves, predictions = read_curves(folder), files.read_csv(folder / "predictions.csv")
        audit = files.read_csv(folder / "folds.csv")
        whole = sum(int(row["held_out_clips"]) for row in audit) == len(predictions)
    except (KeyError, ValueError) as error:
        raise StorageError(f"{folder} has a damaged table ({error}). Delete it and run `dvc repro`") from None
    if not whole:
        raise StorageError(f"{folder}/predictions.csv is damaged. Delete {folder} and run `dvc repro`")
    remaining = iter(predictions)
    for row in audit:
        clips = int(row["held_out_clips"])
        held_out = list(islice(remaining, clips))
        yield TrainedFold(
            name=row["held_out"],
            repeat=int(row["repeat"]),
            seed=int(row["seed"]),
            chosen=row["chosen"],
            clips=clips,
            hits=sum(clip["truth"] == clip["predicted"] for clip in held_out),
            history=curves[f"{row['held_out']}#{row['repeat']}"],
        )


def write_identity(folder: Path, identity: RunIdentity) -> None:
    """Write run.json, and settings.json: what a clip is read by to be shown to the model."""
    settings = identity.settings
    shown = {"faces": settings["faces"], "flow": settings["flow"], "models": {identity.model: settings["model"]}}
    files.write_json(folder / _SETTINGS, shown)
    files.write_json(folder / _IDENTITY, {**asdict(identity), "settings": {"train": settings["train"]}})


def read_identity(folder: Path) -> RunIdentity:
    """Read what `write_identity` wrote.

    Raises:
        StorageError: a file is missing or damaged.
    """
    content, shown = files.read_json(folder / _IDENTITY), files.read_json(folder / _SETTINGS)
    try:
        own = shown["models"][content["model"]]
        flow = content["flow"]
        return RunIdentity(
            **{
                **content,
                "corpora": tuple(content["corpora"]),
                "flow": FlowDigest(**{**flow, "shape": tuple(flow["shape"])}),
                "settings": {**content["settings"], "faces": shown["faces"], "flow": shown["flow"], "model": own},
            }
        )
    except (KeyError, TypeError):
        raise StorageError(
            f"{folder}: {_IDENTITY} or {_SETTINGS} is damaged, or of another version. Delete it and run `dvc repro`"
        ) from None


def find_trained(results: Path) -> list[Path]:
    """Folders of all models that are trained, of all data sets below `results`."""
    return sorted(path.parent for path in results.glob(f"*/train/*/{_IDENTITY}"))


def write_circumstances(state: Path, identity: RunIdentity, known: RunMetadata) -> None:
    """Keep what only this machine knows of a training; `state` is its folder of all data sets."""
    files.write_json(_circumstances_path(state, identity), asdict(known))


def read_circumstances(state: Path, identity: RunIdentity) -> RunMetadata:
    """What this machine knows of a training, if it trained it."""
    path = _circumstances_path(state, identity)
    return RunMetadata(**files.read_json(path)) if path.exists() else UNKNOWN_METADATA


def _circumstances_path(state: Path, identity: RunIdentity) -> Path:
    return state / identity.dataset / "runs" / identity.model / f"{identity.key}.json"


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
