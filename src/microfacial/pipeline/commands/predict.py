"""Command `predict`: videos or folders of frames → label and probabilities, by a registered version."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

import microfacial
from microfacial.errors import MicrofacialError, PipelineError
from microfacial.inference.bundle import PACK, read_pack
from microfacial.inference.predict import TrainedModel
from microfacial.pipeline.project import STATE, Project
from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry, registered_name
from microfacial.tracking.store import connect

_CACHE = STATE / "registry"


def run_predict(
    project: Project,
    paths: Sequence[Path],
    moments: Mapping[str, int | None],
    fps: float | None,
    *,
    alias: Alias,
    version: int | None,
    as_json: bool,
) -> bool:
    """Print what the model says of each clip; a clip that cannot be read is a line on its own, and the others go on.

    Returns whether all could be read.

    Raises:
        PipelineError: there is no such version.
    """
    registry = Registry(connect(Path()), registered_name(project.clips.name, project.clips.scheme))
    chosen = _choose(registry, alias, version)
    folder = registry.fetch(chosen.version, _CACHE)
    model = read_pack(folder / PACK)
    _warn_of_other_code(folder, chosen)
    if not as_json:
        click.echo(f"{registry.name}, {chosen.title}")
    read = [_predict(model, path, moments, fps, as_json) for path in paths]  # all of them, before any failure counts
    return all(read)


def _choose(registry: Registry, alias: Alias, version: int | None) -> ModelVersionRecord:
    if version is not None:
        return registry.get(version)
    found = registry.find(alias)
    if found is None:
        remedy = "microfacial promote" if alias == "champion" else "microfacial register MODEL"
        raise PipelineError(f"{registry.name} has no {alias}. `{remedy}` makes one")
    return found


def _predict(
    model: TrainedModel, path: Path, moments: Mapping[str, int | None], fps: float | None, as_json: bool
) -> bool:
    try:
        chances = model.predict_clip(path, **moments, fps=fps)
    except MicrofacialError as error:
        click.echo(f"microfacial: {error}", err=True)
        return False
    label = max(chances, key=lambda name: chances[name])
    if as_json:
        click.echo(json.dumps({"clip": str(path), "label": label, "probabilities": chances}, ensure_ascii=False))
    else:
        shown = "  ".join(f"{name} {chance:.3f}" for name, chance in chances.items())
        click.echo(f"{path}  {label}  ({shown})")
    return True


def _warn_of_other_code(folder: Path, version: ModelVersionRecord) -> None:
    """Say so where this package is not the one that was packed: preprocessing may have changed since."""
    own, packed = Path(microfacial.__file__).parent, folder / "code" / "microfacial"
    if _digest_code(own) != _digest_code(packed):
        click.echo(
            f"predict: {version.title} was packed with other code than this package's, which may read clips otherwise; "
            f"`mlflow models predict -m {folder}` runs its own",
            err=True,
        )


def _digest_code(package: Path) -> str:
    """Digest of the modules below a package that have a say in predictions."""
    shown = sorted(
        path for path in package.rglob("*.py") if not {"pipeline", "tracking"} & set(path.relative_to(package).parts)
    )
    total = hashlib.sha256()
    for path in shown:
        total.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return total.hexdigest()
