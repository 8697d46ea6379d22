"""Stage `code`: the package → code/, the digests of the code that each stage depends on, and versions of packages."""

from collections.abc import Mapping

import click

from microfacial.files import atomic_write
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.result_versions import read_result_versions
from microfacial.plugins import MODEL_GROUP, list_plugins
from microfacial.settings import read_sections
from microfacial.source_code import STAGES, code_manifest, variant_modules


def run_code(project: Project) -> None:
    """Write one file for each stage and for each model variant. Each line is a digest and a file of the package.

    Other stages of dvc.yaml depend on these files instead of on source files. An edit of a comment or a docstring runs
    only this stage again, because the digests ignore both. In a project without sources, the files describe the
    installed version of this package. versions.txt has the versions of the packages that results depend on.

    Args:
        project: the current project.
    """
    manifests = {stage: code_manifest(stage) for stage in STAGES if stage not in ("clips", "train")}
    manifests["clips"] = code_manifest("clips", corpora=project.clips.corpora)
    named = read_sections(PARAMS).get("models")
    offered = [model for model in list_plugins(MODEL_GROUP) if isinstance(named, Mapping) and model in named]
    models = (*variant_modules(), *offered)
    manifests |= {f"train-{model}": code_manifest("train", model) for model in models}
    versions = read_result_versions()
    with atomic_write(project.results / "code") as folder:
        folder.mkdir()
        for name, manifest in manifests.items():
            lines = "".join(f"{digest}  {path}\n" for path, digest in manifest.items())
            (folder / f"{name}.txt").write_text(lines, encoding="utf-8")
        pins = "".join(f"{name}=={version}\n" for name, version in versions.items())
        (folder / "versions.txt").write_text(pins, encoding="utf-8")
    click.echo(f"code: {len(manifests)} digests")
