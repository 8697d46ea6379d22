"""All figures of the page as inline SVG, each with a description for readers who cannot see it."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from microfacial.records import Comparison, Evaluation, Importances, Predictions
from microfacial.report.figures import bin_confidence, draw_confusion, draw_curves, draw_differences, draw_reliability
from microfacial.report.hybrid_figures import draw_attention, draw_region_importances, list_shares
from microfacial.report.results import ModelResult
from microfacial.report.svg import as_svg

_Described = tuple[str, Figure, str, str]  # key, figure, title, description


def draw_page_figures(results: Sequence[ModelResult]) -> dict[str, Markup]:
    """Draw every figure of the page.

    Args:
        results: Results of all models, in the order of the page.

    Returns:
        Inline SVG by key: "differences", "importances", "attention", and "MODEL-confusion", "MODEL-reliability" and
        "MODEL-curves" for each model. A figure without content is missing. The first three also exist for narrow
        pages, with "-narrow" after the key.
    """
    compared = [result.against_best for result in results if result.against_best]
    figures = [*(_draw_comparisons(compared) if compared else ())]
    for result in results:
        figures += _draw_model(result)
    return {key: Markup(as_svg(figure, key, title, text)) for key, figure, title, text in figures}


def _draw_comparisons(comparisons: Sequence[Comparison]) -> Iterator[_Described]:
    text = "; ".join(
        "{}: {:+.3f}, {:+.3f} to {:+.3f}".format(comparison.model, comparison.uf1_difference, *comparison.uf1_interval)
        for comparison in comparisons
    )
    title = f"Differences in UF1 from {comparisons[0].baseline}"
    yield "differences", draw_differences(comparisons), title, f"{text}."
    yield "differences-narrow", draw_differences(comparisons, narrow=True), title, f"{text}."


def _draw_model(result: ModelResult) -> Iterator[_Described]:
    model, scores, predictions = result.model, result.evaluation, result.predictions
    yield f"{model}-confusion", draw_confusion(scores), f"Confusion matrix of {model}", _describe_confusion(scores)
    text = _describe_reliability(predictions)
    yield f"{model}-reliability", draw_reliability(predictions), f"Calibration of {model}", text
    if result.has_curves:
        text = _describe_curves(result)
        yield f"{model}-curves", draw_curves(model, result.curves), f"Loss curves of {model}", text
    if (weights := result.importances) and weights.of_hybrid:
        text = _describe_importances(weights)
        title = f"Shares of the branches of {model}"
        yield "importances", draw_region_importances(weights), title, text
        yield "importances-narrow", draw_region_importances(weights, narrow=True), title, text
        if weights.attention.any():  # the model has a graph
            text = _describe_attention(weights)
            title = f"Attention in the graph of {model}"
            yield "attention", draw_attention(weights), title, text
            yield "attention-narrow", draw_attention(weights, narrow=True), title, text


def _describe_confusion(evaluation: Evaluation) -> str:
    classes = evaluation.classes
    rows = (
        f"{label} {', '.join(map(str, row))}" for label, row in zip(classes, evaluation.overall.confusion, strict=True)
    )
    return f"Rows are the truth, columns the predictions, in the order {', '.join(classes)}: {'; '.join(rows)}."


def _describe_reliability(predictions: Predictions) -> str:
    bins = zip(*bin_confidence(predictions), strict=True)
    return "; ".join(f"confidence {sure:.2f}, {right:.2f} correct, {count} predictions" for sure, right, count in bins)


def _describe_curves(result: ModelResult) -> str:
    ends = [history.training_loss[-1] for history in result.curves.values() if history.training_loss]
    starts = [history.training_loss[0] for history in result.curves.values() if history.training_loss]
    return f"The median training loss of {len(ends)} folds goes from {np.median(starts):.2f} to {np.median(ends):.2f}."


def _describe_importances(importances: Importances) -> str:
    names, shares = list_shares(importances)
    rows = []
    for name, row in zip(names, shares.mean(axis=0), strict=True):
        regions = zip(importances.region_names, row, strict=True)
        rows.append(f"{name}: {', '.join(f'{region} {100 * share:.1f} %' for region, share in regions)}")
    return "; ".join(rows)


def _describe_attention(importances: Importances) -> str:
    names, rows = importances.region_names, []
    for target, row in zip(names, importances.attention.mean(axis=0), strict=True):
        sources = zip(names, row, strict=True)
        rows.append(f"{target} takes {', '.join(f'{100 * share:.0f} % from {source}' for source, share in sources)}")
    return "; ".join(rows)


def describe_preference(importances: Importances) -> str:
    """Say in one or two sentences how far the hybrid is from giving equal weight to all regions.

    Args:
        importances: Weights for each test clip.
    """
    _, shares = list_shares(importances)
    within = shares.mean(axis=0) / shares.mean(axis=0).mean(axis=1, keepdims=True)
    row, column = np.unravel_index(np.abs(within - 1).argmax(), within.shape)
    ratio, region = float(within[row, column]), importances.region_names[int(column)]
    if abs(ratio - 1) < 0.1:
        return (
            f"The hybrid hardly prefers any region: every weight is within {math.ceil(100 * abs(ratio - 1))} % of an "
            "equal share. So these weights explain little."
        )
    return f"The weight farthest from an equal share is that of {region}: {ratio:.2f} times an equal share."
