"""Command `ablate`: measure how much each part of the hybrid contributes, and write `ablation/`.

It is not a stage of dvc.yaml: it examines the current settings of one model, and no stage uses its output.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich import box
from rich.console import Console
from rich.table import Table

from microfacial.evaluation.ablation import ABLATED_MODEL, FULL, AblationSetup, run_ablation
from microfacial.evaluation.ablation_table import AblationRow, write_ablation
from microfacial.evaluation.apex_shift import UNSHIFTED
from microfacial.evaluation.experiment import load_data
from microfacial.models.hybrid import HybridSettings
from microfacial.models.presets import resolve
from microfacial.pipeline.config import load_for_classes
from microfacial.pipeline.progress import Countdown, clip_progress
from microfacial.pipeline.project import PARAMS, Project
from microfacial.records import FoldResult
from microfacial.report.tables import digest_ablation
from microfacial.source_code import code_digest


def run_ablate(project: Project, repeats: int | None, processes: int) -> None:
    """Train every ablation, shift the apex of test clips, write both tables and print them.

    Args:
        project: the data set.
        repeats: repetitions of the protocol. None uses the number in params.yaml.
        processes: number of processes.

    Raises:
        StorageError: faces or flow are not computed.
        ConfigError: a setting is wrong, or training diverges.
        ProtocolError: the data cannot be divided by the protocol.
    """
    config = load_for_classes(PARAMS)
    hybrid = config.models.get(ABLATED_MODEL) or resolve(ABLATED_MODEL, {}, f"models.{ABLATED_MODEL}")
    assert isinstance(hybrid, HybridSettings)

    @contextmanager
    def count_folds(label: str, total: int) -> Iterator[Callable[[FoldResult], None]]:
        with Countdown(f"ablate {label}", total, processes) as countdown:
            yield countdown.count

    setup = AblationSetup(
        data=load_data() if repeats is None else load_data(repeats=repeats),
        hybrid=hybrid,
        flow=config.flow,
        results=project.results,
        state=project.state / "ablation",
        frames_root=project.frames,
        code=code_digest("train", ABLATED_MODEL),
        flow_code=code_digest("flow"),
        processes=processes,
        count_folds=count_folds,
        count_clips=lambda label: clip_progress(f"ablate {label}"),
    )
    rows, shifts = run_ablation(setup)
    folder = project.results / "ablation"
    write_ablation(folder, rows, shifts, setup.data.protocol.repeats)
    title = f"{project.clips.name} · {project.clips.scheme} · {setup.data.protocol.protocol} · {ABLATED_MODEL}"
    Console().print(_make_table(title, rows, FULL))
    if shifts:
        Console().print(_make_table(f"{title}, apex shifted by frames", shifts, UNSHIFTED))
    else:
        click.echo("apex shifts: not possible on published maps, which have no frames")
    click.echo(f"ablate: {folder}")
    click.echo(f'to show it in the report, set report.ablation: "{digest_ablation(folder)}" and run `dvc repro`')


def _make_table(title: str, rows: Sequence[AblationRow], reference: str) -> Table:
    """Return a table that fits 80 columns."""
    evaluation = next(row.evaluation for row in rows if row.evaluation)
    repeated, shifted = evaluation.repeats > 1, rows[0].moved is not None
    captions = [
        evaluation.note,
        f"±: standard deviation over {evaluation.repeats} repetitions" if repeated else "",
        "moved: clips that moved by all frames; the others moved as far as possible" if shifted else "",
        f"Δ: UF1 minus that of {reference}; * can be told from zero (paired, 95 %)",
        *(f"{row.name}: {row.note}" for row in rows if row.note),
    ]
    table = Table(
        title=title,
        caption="\n".join(filter(None, captions)),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("apex" if shifted else ABLATED_MODEL)
    spread = ["±"] if repeated else []
    for column in (*(["moved"] if shifted else []), "UF1", *spread, "UAR", *spread, "Δ", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, *_cells(row, repeated=repeated))
    return table


def _cells(row: AblationRow, *, repeated: bool) -> list[str]:
    """Return the cells after the name."""
    evaluation, difference = row.evaluation, row.difference
    if evaluation is None:
        return ["–"]
    cells = [] if row.moved is None else [f"{row.moved} of {evaluation.overall.clips}"]
    for score, deviation in (
        (evaluation.overall.uf1, evaluation.uf1_sd),
        (evaluation.overall.uar, evaluation.uar_sd),
    ):
        cells += [f"{score:.3f}", *([f"{deviation:.3f}"] if repeated else [])]
    if difference is None:
        return [*cells, "– ", "–"]
    low, high = difference.uf1_interval
    star = "*" if difference.tells_apart else " "
    return [*cells, f"{difference.uf1_difference:+.3f}{star}", f"{low:+.3f} to {high:+.3f}"]
