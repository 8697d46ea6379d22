"""Figures of a study: its history, the importance of parameters, and the value of each trial by parameter.

The same trials always give the same figure.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microfacial.tuning.search_space import Categorical, Float, Parameter, Space, Value
from microfacial.tuning.trials import Trial

_MAX_COLUMNS = 5
_VALUE_LABEL = "UF1 on inner folds"
_LABEL_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}


def draw_study(trials: Sequence[Trial], space: Space, importances: Mapping[str, float]) -> dict[str, Figure]:
    """Draw all figures of a study. If all trials have one score, only the history is drawn.

    Args:
        trials: all trials of the study.
        space: the searched parameters.
        importances: share of variance that each parameter explains, by its name; empty if it is unknown.

    Returns:
        Figures by name.
    """
    figures = {"history": draw_history(trials)}
    if len({trial.value for trial in trials if trial.params} - {None}) > 1:
        figures["parallel_coordinates"] = draw_parallel_coordinates(trials, space)
        figures["slice"] = draw_slices(trials, space)
    if importances:
        figures["importance"] = draw_parameter_importances(importances)
    return figures


def draw_history(trials: Sequence[Trial]) -> Figure:
    """Draw the value of each trial by its number, the best so far, and trial 0. Crosses below mark stopped trials.

    Args:
        trials: all trials of the study.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot(xlabel="trial", ylabel=_VALUE_LABEL)
    complete = _complete(trials)
    values = [trial.value or 0.0 for trial in complete]
    numbers = [trial.number for trial in complete]
    axes.scatter(numbers, values, color="tab:blue", s=18, label="complete")
    axes.step(numbers, np.maximum.accumulate(values), where="post", color="tab:orange", label="best so far")
    for trial in complete:
        if trial.reference:
            axes.axhline(trial.value or 0.0, color="black", linewidth=0.8, linestyle="--", label="trial 0")
    stopped = [trial.number for trial in trials if trial.state in ("pruned", "failed", "died")]
    low = min(values, default=0.0) - 0.02
    axes.scatter(stopped, [low] * len(stopped), marker="x", color="tab:grey", s=16, label="stopped")
    figure.legend(fontsize=8, loc="outside upper center", ncols=4)
    return figure


def draw_parameter_importances(importances: Mapping[str, float]) -> Figure:
    """Draw the share of variance that each parameter explains. The largest share is at the top.

    Args:
        importances: shares by the name of the parameter.

    Returns:
        The figure.
    """
    names = sorted(importances, key=lambda name: (importances[name], name))
    figure = Figure(figsize=(6.4, 1.2 + 0.25 * len(names)), layout="constrained")
    axes = figure.add_subplot(xlabel="share of variance explained (fANOVA)")
    axes.barh(names, [importances[name] for name in names], color="tab:blue")
    return figure


def draw_parallel_coordinates(trials: Sequence[Trial], space: Space) -> Figure:
    """Draw each complete trial as a line over all parameters, each scaled to its range. Better trials are darker.

    Args:
        trials: all trials of the study.
        space: the searched parameters.

    Returns:
        The figure.
    """
    complete = _complete_in_space(trials, space)
    names = sorted(space)
    figure = Figure(figsize=(1.5 + 0.75 * len(names), 4.6), layout="constrained")
    axes = figure.add_subplot()
    values = np.array([trial.value for trial in complete])
    ranks = values.argsort().argsort() / max(1, len(complete) - 1)
    for trial, rank in sorted(zip(complete, ranks, strict=True), key=lambda pair: pair[1]):
        heights = [_position(space[name], trial.params[name]) for name in names]
        axes.plot(range(len(names)), heights, color="tab:blue", alpha=0.1 + 0.8 * rank**2, linewidth=0.8 + rank)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks([])
    axes.set_ylim(-0.12, 1.12)
    for column, name in enumerate(names):
        axes.axvline(column, color="0.8", linewidth=0.6, zorder=0)
        for value in space[name].corners:
            position = _position(space[name], value)
            axes.text(column, position, str(value), fontsize=6, ha="center", va="center", bbox=_LABEL_BOX)
    axes.set_title(f"{len(complete)} complete trials; better trials are darker", fontsize=9)
    return figure


def draw_slices(trials: Sequence[Trial], space: Space) -> Figure:
    """Draw the value of each complete trial over each parameter, one panel per parameter. Later trials are darker.

    Args:
        trials: all trials of the study.
        space: the searched parameters.

    Returns:
        The figure.
    """
    complete, names = _complete_in_space(trials, space), sorted(space)
    columns = min(_MAX_COLUMNS, len(names))
    rows = ceil(len(names) / columns)
    figure = Figure(figsize=(2.3 * columns, 2.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        _draw_slice(axes, name, space[name], complete)
    for axes in grid.flat[len(names) :]:
        axes.axis("off")
    for row in grid:
        row[0].set_ylabel("UF1", fontsize=7)
    return figure


def _draw_slice(axes: Axes, name: str, parameter: Parameter, complete: Sequence[Trial]) -> None:
    positions: list[Value] = [trial.params[name] for trial in complete]
    if isinstance(parameter, Categorical):
        axes.set_xticks(range(len(parameter.values)), [str(value) for value in parameter.values])
        axes.set_xlim(-0.5, len(parameter.values) - 0.5)
        positions = [parameter.values.index(value) for value in positions]
    elif isinstance(parameter, Float):
        axes.set_xscale("log" if parameter.log else "linear")
        axes.set_xlim(parameter.low, parameter.high)
    else:
        axes.set_xticks(range(parameter.low, parameter.high + 1))
    numbers = [trial.number for trial in complete]
    values = [trial.value or 0.0 for trial in complete]
    axes.scatter(positions, values, c=numbers, cmap="Blues", s=14, edgecolors="0.5", linewidths=0.4)
    axes.set_title(name, fontsize=8)
    axes.tick_params(labelsize=6)


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    return sorted((trial for trial in trials if trial.value is not None), key=lambda trial: trial.number)


def _complete_in_space(trials: Sequence[Trial], space: Space) -> list[Trial]:
    """Return complete trials that have all parameters. Trial 0 has none if it is outside of the space."""
    return [trial for trial in _complete(trials) if trial.params.keys() >= space.keys()]


def _position(parameter: Parameter, value: Value) -> float:
    """Return where a value lies in the range of its parameter, 0 to 1."""
    match parameter:
        case Categorical(values):
            return values.index(value) / max(1, len(values) - 1)
        case Float(low, high, log=True):
            return float(np.log(float(value) / low) / np.log(high / low))
        case _:
            return (float(value) - parameter.low) / (parameter.high - parameter.low)
