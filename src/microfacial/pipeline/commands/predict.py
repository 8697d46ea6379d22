"""Command `predict`: find and recognise the movements in films."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Literal, NoReturn

import click
from tqdm import tqdm

from microfacial.errors import ConfigError, MicrofacialError, MissingExtraError, escape_controls, name_in_errors
from microfacial.inference.answer import answer_clip, answer_film, has_known_moments
from microfacial.inference.answer_table import csv_rows
from microfacial.inference.answering_model import DEFAULT_SCHEME, PRIOR, AnsweringModel, open_prior
from microfacial.inference.film_answer import FilmAnswer
from microfacial.inference.film_inputs import find_films
from microfacial.pipeline.extras import explain_missing_extras
from microfacial.pipeline.prediction_outputs import (
    Outputs,
    attempt_output,
    check_outputs,
    check_targets,
    hold_faults,
    is_page_of,
    print_answer,
    print_head,
    write_answer_table,
    write_page,
)
from microfacial.pipeline.prior_settings import read_prior_settings
from microfacial.pipeline.project import PARAMS, VERSION_CACHE, Project
from microfacial.pipeline.stop_signals import interrupt_on_signals
from microfacial.settings import check, read_sections

_MODEL_REMEDY = f"To predict with the model in the package, use --model {PRIOR}"


def choose_model(
    name: str | None,
    scheme: str | None,
    alias: Literal["champion", "challenger"] | None,
    version: int | None,
    project: Project | None,
) -> AnsweringModel:
    """Open the model that predicts.

    Args:
        name: value of `--model`: `motion_prior`, a folder, a checkpoint, or an address of a version. None for the
            champion of the project. Without a project or without MLflow, None stands for the motion prior.
        scheme: label scheme of the motion prior. None for the scheme of the project, or the default.
        alias: alias in the project; None if the user gave none.
        version: number of a version in the project.
        project: the project in the current folder; None if there is none.

    Returns:
        The model.

    Raises:
        MicrofacialError: there is no such model, or its files are damaged.
    """
    if name is not None and name.startswith("models:"):
        if scheme is not None:
            raise ConfigError(f"--scheme {scheme} is for {PRIOR} only. {name} has the classes of its training")
        from microfacial.registry.open_version import open_address

        return open_address(name, Path(), VERSION_CACHE)
    if name is not None and name != PRIOR:
        from microfacial.inference.choose_model import open_model

        return open_model(name, scheme)
    requested = alias is not None or version is not None
    if name is None and project is not None and (requested or scheme is None):
        chosen = _open_registered(project, alias, version)
        if chosen is not None:
            return chosen
    if project is None:
        return open_prior(scheme or DEFAULT_SCHEME)
    settings = read_prior_settings()
    return open_prior(scheme or project.clips.scheme, settings.faces, settings.flow)


def choose_device(option: str | None, *, in_project: bool) -> str:
    """Return the device of networks.

    Args:
        option: the option `--device`, or None.
        in_project: whether `train.device` in params.yaml is the default, instead of `cpu`.

    Returns:
        `cpu`, `cuda` or `mps`.

    Raises:
        ConfigError: this machine does not have the device, or params.yaml is wrong.
    """
    from microfacial.evaluation.protocols import TrainConfig
    from microfacial.preprocessing.devices import find_device

    if option is not None or not in_project:
        return find_device(option or "cpu", "--device")
    train = check(read_sections(PARAMS).get("train", {}), TrainConfig, f"{PARAMS}: train")
    return find_device(train.device, f"{PARAMS}: train.device")


def _open_registered(
    project: Project, alias: Literal["champion", "challenger"] | None, version: int | None
) -> AnsweringModel | None:
    """Open a version of the project. Return None if none was requested, and there is no champion or no MLflow."""
    requested = alias is not None or version is not None
    try:
        with explain_missing_extras():
            from microfacial.registry.open_version import open_record
            from microfacial.registry.versions import choose_version, describe_missing
            from microfacial.tracking.model_versions import Registry, registered_name
            from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors
    except MissingExtraError as error:
        if requested:
            raise
        click.echo(f"predict: the champion needs the registry: {error}. {PRIOR} predicts instead", err=True)
        return None
    with mlflow_errors_as_pipeline_errors():
        registry = Registry(connect(Path(), reading=True), registered_name(project.clips.name, project.clips.scheme))
        if not requested and registry.find("champion") is None:
            click.echo(f"predict: {describe_missing(registry, 'champion')}. {PRIOR} predicts instead", err=True)
            return None
        return open_record(registry, choose_version(registry, alias or "champion", version), VERSION_CACHE)


def run_predict(
    model: AnsweringModel,
    names: Sequence[str],
    moments: Mapping[str, int | None],
    fps: float | None,
    outputs: Outputs,
) -> bool:
    """Print and write the answers about films.

    A film that cannot be read gives one line on standard error, and a row with the reason in the outputs. The remaining
    films are still predicted.

    Args:
        model: the model.
        names: files, folders and patterns; see `find_films`.
        moments: `onset`, `apex` and `offset`, the frame numbers in every film. None where a moment is to be spotted.
        fps: frames per second. Defaults to the frame rate in each video file.
        outputs: the outputs.

    Returns:
        Whether all films could be read, and all pages and videos written.

    Raises:
        ConfigError: the outputs do not fit the films.
        StorageError: the table cannot be written.
    """
    films = find_films(names)
    check_outputs(outputs, films)
    note = model.note
    with hold_faults(outputs):
        print_head(note, outputs)
    if model.faces.method == "whole" and outputs.render is not None:
        raise ConfigError("--render needs films, but this model reads maps. Leave it out")
    targets = _plan_outputs(films, outputs)
    rows: list[dict[str, str]] = []
    failed, done = False, 0
    try:
        with interrupt_on_signals():
            for film in films:
                answer = _answer(film, model, moments, fps, pictures=targets[film].page is not None)
                failed |= answer.error is not None
                rows += csv_rows(answer)
                done += 1
                with hold_faults(outputs):
                    print_answer(answer, as_json=outputs.as_json)
                if answer.error is None:
                    failed |= not _write_targets(answer, film, targets[film])
    except KeyboardInterrupt:
        if outputs.csv is not None and rows:
            partial_csv = outputs.csv.with_stem(f"{outputs.csv.stem}.partial")  # replaces no complete table
            write_answer_table(rows, note, partial_csv)
            click.echo(f"predict: {partial_csv} has the answers about the first {done} of {len(films)} films", err=True)
        raise
    if outputs.csv is not None:
        write_answer_table(rows, note, outputs.csv)
    return not failed


@dataclass(frozen=True, kw_only=True)
class _Targets:
    """Files to write for one film.

    Attributes:
        page: its page; None for none.
        video: its rendered video; None for none.
    """

    page: Path | None
    video: Path | None


def _plan_outputs(films: Sequence[Path], outputs: Outputs) -> dict[Path, _Targets]:
    """Return the files to write for each film.

    Films of one name in several folders get numbers. So do films whose name another file in the folder of outputs has.
    Only the page of the same film is replaced.
    """
    render, single = outputs.render, len(films) == 1 and not (outputs.render and outputs.render.is_dir())
    if render is not None and single:
        from microfacial.datasets.film_writer import check_video_path

        check_video_path(render)
    targets: dict[Path, _Targets] = {}
    inputs = {film.resolve() for film in films}
    taken: set[str] = set()
    for film in films:
        name = film.resolve().stem or "film"
        earlier: Path | None = None
        for stem in chain([name], (f"{name}-{number}" for number in count(2))):
            if stem in taken:
                continue
            page = None if outputs.html is None else outputs.html / f"{stem}.html"
            video = render if render is None or single else render / f"{stem}.mp4"
            other = _find_other(film, page, None if single else video, inputs)
            if other is None:
                break
            earlier = earlier or other
        if earlier is not None:
            line = f"predict: {earlier} is not replaced. The files about {film} have the name {stem}"
            click.echo(escape_controls(line), err=True)
        taken.add(stem)
        targets[film] = _Targets(page=page, video=video)
    written = {target.video.resolve() for target in targets.values() if target.video is not None}
    overwritten = [film for film in films if film.resolve() in written]
    if overwritten:
        raise ConfigError(f"--render would replace the film {overwritten[0]}. Give another file or folder")
    planned = (path for target in targets.values() for path in (target.page, target.video) if path is not None)
    check_targets(outputs, planned)
    return targets


def _find_other(film: Path, page: Path | None, video: Path | None, inputs: Collection[Path]) -> Path | None:
    """Return a file that a page or a video in a folder would replace, unless it is the earlier page of the film.

    Films to predict are not returned: a video in their place is refused.
    """
    if page is not None and page.is_file() and not is_page_of(film, page):
        return page
    if video is not None and video.is_file() and video.resolve() not in inputs:
        return video
    return None


def _answer(
    film: Path, model: AnsweringModel, moments: Mapping[str, int | None], fps: float | None, *, pictures: bool
) -> FilmAnswer:
    """Return the answer about a film. If it cannot be read, the answer has the error."""
    try:
        with name_in_errors(film):
            if has_known_moments(model, moments):
                return answer_clip(film, model, **moments, fps=fps, pictures=pictures)
            with tqdm(desc=escape_controls(film.name), unit="frame", disable=None, leave=False) as bar:
                return answer_film(film, model, fps=fps, pictures=pictures, report=partial(_show_progress, bar))
    except MicrofacialError as error:
        return FilmAnswer(source=str(film), model=model.note, fps=fps, frames=0, seconds=None, error=str(error))


def _write_targets(answer: FilmAnswer, film: Path, targets: _Targets) -> bool:
    """Write the video and the page of a film. Return whether both could be written."""
    written = True
    if targets.video is not None:
        from microfacial.inference.film_render import render_film

        written &= attempt_output(targets.video, partial(render_film, answer, film))
    if targets.page is not None:
        written &= attempt_output(targets.page, partial(write_page, answer, film=film))
    return written


def _show_progress(bar: "tqdm[NoReturn]", done: int, count: int | None) -> None:
    bar.total = count
    bar.update(done - bar.n)
