"""Models that a server offers: the prior, the registered versions of a project, and a bundle."""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

PRIOR_NAME = "prior"
MOST_VERSIONS = 20
"""The latest versions of a project that are offered, besides champion and challenger."""


@dataclass(frozen=True, kw_only=True)
class OfferedModel:
    """A model that requests can choose.

    Attributes:
        name: name in requests, such as `prior` or `3`.
        title: name on the page.
        card: the model card, as Markdown.
        address: folder of the bundle; empty for the prior. It never leaves the server.
    """

    name: str
    title: str
    card: str
    address: str = field(default="", repr=False)


def offer_prior() -> OfferedModel:
    """Return the motion prior in this package."""
    card = resources.files("microfacial.models").joinpath("weights/motion_prior.md").read_text(encoding="utf-8")
    return OfferedModel(name=PRIOR_NAME, title="Motion prior, trained on drawn motion", card=card, address="")


def offer_bundle(folder: Path) -> OfferedModel:
    """Return the model in a folder.

    Args:
        folder: folder of a bundle, or of a registered version.

    Raises:
        StorageError: the folder contains no bundle, or the bundle is damaged.
        ConfigError: another version of microfacial wrote its settings.
    """
    from microfacial.inference.choose_model import open_model

    model = open_model(str(folder))  # a damaged bundle stops the start, and not the first request
    title = f"{model.note.name} in {folder.name}"
    return OfferedModel(name="bundle", title=title, card=read_card(folder), address=str(folder.absolute()))


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
    from microfacial.tracking.model_versions import ModelVersionRecord, Registry, registered_name
    from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        registry = Registry(connect(Path()), registered_name(dataset, scheme))
        chosen: dict[str, ModelVersionRecord] = {}
        for alias in ("champion", "challenger"):
            record = registry.find(alias)
            if record is not None:
                chosen[alias] = record
        for record in reversed(registry.versions()[-MOST_VERSIONS:]):
            chosen[str(record.version)] = record
        offered = []
        for name, record in chosen.items():
            folder = registry.fetch(record.version, cache)
            title = f"{name.capitalize()}: {record.title}" if not name.isdigit() else record.title.capitalize()
            offered.append(OfferedModel(name=name, title=title, card=read_card(folder), address=str(folder.absolute())))
    return offered


def read_card(folder: Path) -> str:
    """Return the model card in the folder of a version, or a sentence if there is none.

    Args:
        folder: folder of a bundle or version.
    """
    from microfacial.inference.bundle import CARD

    path = folder / CARD
    return path.read_text(encoding="utf-8") if path.is_file() else "This bundle has no model card."
