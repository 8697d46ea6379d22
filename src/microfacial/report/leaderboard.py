"""The leaderboard that the terminal shows. It fits 80 columns."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from microfacial.report.results import BASELINE, ModelResult, count_repetitions, join_notes, rank_results


def draw_leaderboard(dataset: str, scheme: str, results: Sequence[ModelResult], seconds: Mapping[str, float]) -> Table:
    """Return a table of all models, best UF1 first.

    Args:
        dataset: Name of the data set.
        scheme: Name of the label scheme.
        results: Results of all models. Their scores are not rounded, so the order is the same as on the page.
        seconds: Training time of each model on this machine, in seconds; models without an entry show a dash.
    """
    ranked = rank_results(results)
    shared = ranked[0].evaluation
    repeats = count_repetitions(results)
    captions = {
        **dict.fromkeys(filter(None, join_notes(result.evaluation for result in ranked).split("; ")), True),
        f"±: standard deviation over {repeats} repetitions": repeats > 1,
        "– under ±: fitted once, because the seed does not change the model": any(
            result.evaluation.repeats < repeats for result in results
        ),
        f"Δ: UF1 minus that of {BASELINE}; *: its paired 95 % interval excludes 0": any(
            result.against_baseline for result in results
        ),
    }
    table = Table(
        title=f"{dataset} · {scheme} · {shared.protocol}",
        caption="\n".join(caption for caption, applies in captions.items() if applies) or None,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("model")
    for column in ("UF1", *(["±"] if repeats > 1 else []), "95 %", "UAR", "95 %", "Δ", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in ranked:
        table.add_row(*_list_cells(result, seconds.get(result.model), repeated=repeats > 1))
    return table


def _list_cells(result: ModelResult, seconds: float | None, *, repeated: bool) -> list[str]:
    evaluation = result.evaluation
    return [
        evaluation.model,
        f"{evaluation.overall.uf1:.3f}",
        *([_shorten(evaluation.uf1_sd) if evaluation.repeats > 1 else "–"] if repeated else []),
        "–".join(map(_shorten, evaluation.uf1_interval)),
        f"{evaluation.overall.uar:.3f}",
        "–".join(map(_shorten, evaluation.uar_interval)),
        _write_difference(result),
        "–" if seconds is None else f"{seconds:.0f}",
    ]


def _shorten(score: float) -> str:
    """Return .624 for 0.624."""
    return f"{score:.3f}".removeprefix("0")


def _write_difference(result: ModelResult) -> str:
    comparison = result.against_baseline
    if comparison is None:
        return "– "
    return f"{comparison.uf1_difference:+.3f}{'*' if comparison.tells_apart else ' '}"
