"""Models that a server offers: the prior, the registered versions of a project, and a bundle or checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microfacial.errors import ConfigError
from microfacial.inference.film_jobs import FilmJob

if TYPE_CHECKING:  # a server outside of a project does not need these libraries
    from microfacial.preprocessing.faces import FacesConfig
    from microfacial.preprocessing.flow import FlowConfig

PRIOR_NAME, OWN_NAME = "prior", "own"
MOST_VERSIONS = 20
"""The latest versions of a project that are offered, besides champion and challenger."""


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where a worker process finds a model. All fields are empty for the prior with its default classes.

    Attributes:
        path: folder of a bundle or version, or checkpoint of a fold.
        version: name of the registered version.
        scheme: label scheme of the prior.
        faces: how to locate the face for the prior; None for the settings in the package.
        flow: how to compute the flow for the prior; None for the settings in the package.
    """

    path: str = ""
    version: str = ""
    scheme: str = ""
    faces: "FacesConfig | None" = None
    flow: "FlowConfig | None" = None


@dataclass(frozen=True, kw_only=True)
class OfferedModel:
    """A model that requests can choose.

    Attributes:
        name: name in requests, such as `prior` or `3`.
        title: name on the page.
        card: the model card, as Markdown.
        source: where the model is. It never leaves the server.
    """

    name: str
    title: str
    card: str
    source: ModelSource = ModelSource()


def offer_prior(source: ModelSource = ModelSource()) -> OfferedModel:
    """Return the motion prior in this package.

    Args:
        source: its label scheme and settings. Empty for the default.

    Raises:
        ConfigError: the prior has no emotion for one of the classes.
    """
    if source.scheme:
        from microfacial.inference.answering_model import open_prior

        open_prior(source.scheme)  # an unsuitable scheme stops the start, and not the first request
    card = resources.files("microfacial.models").joinpath("weights/motion_prior.md").read_text(encoding="utf-8")
    return OfferedModel(name=PRIOR_NAME, title="Motion prior, trained on drawn motion", card=card, source=source)


def offer_path(name: str) -> OfferedModel:
    """Return the model of a bundle or checkpoint.

    Args:
        name: folder of a bundle or of a registered version, or checkpoint of a fold.

    Raises:
        ConfigError: the text is an address or the name of the prior, or another version of microfacial wrote the
            settings of the model.
        StorageError: there is no model at the path, or its files are damaged.
    """
    from microfacial.inference.answering_model import PRIOR
    from microfacial.inference.choose_model import open_model

    if name == PRIOR:
        raise ConfigError(f"the server always offers {PRIOR}, under the name {PRIOR_NAME}. Leave out --model")
    if name.startswith("models:"):
        raise ConfigError(
            f"{name}: the server offers the versions of the project in the current folder. Start it there, or give "
            "--model the folder of a bundle or the checkpoint of a fold"
        )
    note = open_model(name).note  # a damaged bundle stops the start, and not the first request
    path = Path(name).absolute()
    return OfferedModel(
        name=OWN_NAME, title=f"{note.name} in {path.name}", card=read_card(path), source=ModelSource(path=str(path))
    )


def offer_versions(dataset: str, scheme: str, cache: Path) -> list[OfferedModel]:
    """Return the registered versions of a project: the champion, the challenger, and the latest ones by number.

    Args:
        dataset: name of the data set.
        scheme: name of the label scheme.
        cache: folder for downloaded versions.

    Raises:
        PipelineError: MLflow's store cannot be used.
        StorageError: the files of a version are missing.
    """
    from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry, registered_name
    from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

    aliases: tuple[Alias, Alias] = ("champion", "challenger")
    with mlflow_errors_as_pipeline_errors():
        registry = Registry(connect(Path(), reading=True), registered_name(dataset, scheme))
        chosen: list[tuple[str, ModelVersionRecord]] = []
        for alias in aliases:
            record = registry.find(alias)
            if record is not None:
                chosen.append((alias, record))
        chosen += [(str(record.version), record) for record in reversed(registry.versions()[-MOST_VERSIONS:])]
        versions = {record.version for _, record in chosen}
        folders = {version: registry.fetch(version, cache).absolute() for version in versions}
    return [
        OfferedModel(
            name=name,
            title=record.title if name.isdigit() else f"{name}: {record.title}",
            card=read_card(folders[record.version]),
            source=ModelSource(path=str(folders[record.version]), version=f"{registry.name}, version {record.version}"),
        )
        for name, record in chosen
    ]


def read_card(path: Path) -> str:
    """Return the model card of a registered version, or a sentence if there is none.

    Args:
        path: folder of a version, or another model.
    """
    from microfacial.inference.bundle import CARD

    card = path / CARD
    return card.read_text(encoding="utf-8") if card.is_file() else "This model has no card."


def answer_by_name(job: FilmJob, sources: Mapping[str, ModelSource]) -> list[dict[str, Any]]:
    """Return the answer to a film by a model of this server.

    Args:
        job: the film.
        sources: the models, by their names in requests.

    Raises:
        MicrofacialError: the film or the model cannot be read.
    """
    from microfacial.serving.film_answers import answer_with_model

    return answer_with_model(job, sources[job.model])
