"""Answer a film in a worker process with the chosen model, as the command `predict` does."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from microfacial.inference.answer import answer_film
from microfacial.inference.answer_table import csv_columns, csv_rows, event_rows
from microfacial.inference.answering_model import DEFAULT_SCHEME, AnsweringModel, open_prior
from microfacial.inference.choose_model import open_bundle, open_model
from microfacial.inference.film_answer import FilmAnswer
from microfacial.inference.film_jobs import FilmJob
from microfacial.inference.film_page import draw_event_pictures, place_boxes, render_film_page
from microfacial.serving.offered_models import ModelSource
from microfacial.training.one_thread import one_thread


def answer_with_model(job: FilmJob, source: ModelSource) -> list[dict[str, Any]]:
    """Return the answer to a film as JSON values.

    Args:
        job: the film.
        source: the model.

    Returns:
        The rows of `event_rows`, which `predict --json` prints. For the page, one row with the fields of
        `FilmAnswer.to_dict`, the contents of the files `csv` and `page`, and the pictures and regions of each event.

    Raises:
        DatasetError: the film cannot be read, or its frame rate is unknown.
        StorageError: the files of the model are damaged.
        ConfigError: another version of microfacial wrote the settings of the model.
    """
    with one_thread():  # the other cores answer other films
        answer = answer_film(job.path, open_source(source), fps=job.fps, pictures=job.as_page)
    answer = replace(answer, source=job.name)
    return [_describe_for_page(answer)] if job.as_page else event_rows(answer)


def open_source(source: ModelSource) -> AnsweringModel:
    """Open a model of the server.

    Args:
        source: the model.

    Raises:
        StorageError: its files are missing or damaged.
        ConfigError: another version of microfacial wrote its settings, or the prior does not fit the label scheme.
    """
    if source.version:
        return open_bundle(Path(source.path), source.version)
    if source.path:
        model = open_model(source.path)
        return replace(model, note=replace(model.note, version=Path(source.path).name))  # without folders of the server
    return open_prior(source.scheme or DEFAULT_SCHEME, source.faces, source.flow)


def _describe_for_page(answer: FilmAnswer) -> dict[str, Any]:
    table = io.StringIO()
    writer = csv.DictWriter(table, csv_columns(answer.model.classes), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(csv_rows(answer))
    return {
        **answer.to_dict(),
        "csv": table.getvalue(),
        "page": render_film_page(answer),
        "pictures": [list(draw_event_pictures(event.store)) if event.store else [] for event in answer.events],
        "boxes": [list(place_boxes(event.store)) if event.store else [] for event in answer.events],
    }
