"""Figures of a study: how it went, which parameters counted, and what their values gave. The same every time."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microfacial.tuning.search_space import Choice, Parameter, Real, Space, Value
from microfacial.tuning.trials import Trial

_COLUMNS = 5
_VALUE = "UF1 on inner folds"


def draw_history(trials: Sequence[Trial]) -> Figure:
    """Each trial's value by its number, the best so far, and trial 0; those that were stopped have ticks below."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot(xlabel="trial", ylabel=_VALUE)
    done = _complete(trials)
    values = [one.value or 0.0 for one in done]
    numbers = [one.number for one in done]
    axes.scatter(numbers, values, color="tab:blue", s=18, label="trained to the end")
    axes.step(numbers, np.maximum.accumulate(values), where="post", color="tab:orange", label="best so far")
    for one in done:
        if one.reference:
            axes.axhline(one.value or 0.0, color="black", linewidth=0.8, linestyle="--", label="trial 0")
    stopped = [one.number for one in trials if one.state in ("pruned", "failed", "died")]
    low = min(values, default=0.0) - 0.02
    axes.scatter(stopped, [low] * len(stopped), marker="x", color="tab:grey", s=16, label="stopped")
    figure.legend(fontsize=8, loc="outside upper center", ncols=4)
    return figure


def draw_parameter_importances(importances: Mapping[str, float]) -> Figure:
    """Share of the variance of values that each parameter explains, the greatest on top."""
    names = sorted(importances, key=lambda name: (importances[name], name))
    figure = Figure(figsize=(6.4, 1.2 + 0.25 * len(names)), layout="constrained")
    axes = figure.add_subplot(xlabel="share of variance explained (fANOVA)")
    axes.barh(names, [importances[name] for name in names], color="tab:blue")
    return figure


def draw_parallel_coordinates(trials: Sequence[Trial], space: Space) -> Figure:
    """A line a trial over all parameters, scaled to their range; the better, the darker."""
    done = _drawn(trials, space)
    names = sorted(space)
    figure = Figure(figsize=(1.5 + 0.75 * len(names), 4.6), layout="constrained")
    axes = figure.add_subplot()
    values = np.array([one.value for one in done])
    ranks = values.argsort().argsort() / max(1, len(done) - 1)
    for one, rank in sorted(zip(done, ranks, strict=True), key=lambda pair: pair[1]):
        heights = [_place(space[name], one.params[name]) for name in names]
        axes.plot(range(len(names)), heights, color="tab:blue", alpha=0.1 + 0.8 * rank**2, linewidth=0.8 + rank)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks([])
    axes.set_ylim(-0.12, 1.12)
    for column, name in enumerate(names):
        axes.axvline(column, color="0.8", linewidth=0.6, zorder=0)
        for place, text in _ends(space[name]):
            axes.text(column, place, text, fontsize=6, ha="center", va="center", bbox=_PAPER)
    axes.set_title(f"{len(done)} trials that were trained to the end; the darker, the better", fontsize=9)
    return figure


def draw_slices(trials: Sequence[Trial], space: Space) -> Figure:
    """The value of each trial over each parameter; later trials are darker."""
    done, names = _drawn(trials, space), sorted(space)
    columns = min(_COLUMNS, len(names))
    rows = ceil(len(names) / columns)
    figure = Figure(figsize=(2.3 * columns, 2.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        _draw_slice(axes, name, space[name], done)
    for axes in grid.flat[len(names) :]:
        axes.axis("off")
    for row in grid:
        row[0].set_ylabel("UF1", fontsize=7)
    return figure


_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}


def _draw_slice(axes: Axes, name: str, parameter: Parameter, done: Sequence[Trial]) -> None:
    places: list[Value] = [one.params[name] for one in done]
    if isinstance(parameter, Choice):
        axes.set_xticks(range(len(parameter.values)), [str(value) for value in parameter.values])
        axes.set_xlim(-0.5, len(parameter.values) - 0.5)
        places = [parameter.values.index(value) for value in places]
    elif isinstance(parameter, Real):
        axes.set_xscale("log" if parameter.log else "linear")
        axes.set_xlim(parameter.low, parameter.high)
    else:
        axes.set_xticks(range(parameter.low, parameter.high + 1))
    numbers = [one.number for one in done]
    axes.scatter(
        places, [one.value or 0.0 for one in done], c=numbers, cmap="Blues", s=14, edgecolors="0.5", linewidths=0.4
    )
    axes.set_title(name, fontsize=8)
    axes.tick_params(labelsize=6)


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    return sorted((one for one in trials if one.value is not None), key=lambda one: one.number)


def _drawn(trials: Sequence[Trial], space: Space) -> list[Trial]:
    """Complete trials that have all parameters; trial 0 may lie outside of the space."""
    return [one for one in _complete(trials) if one.params.keys() >= space.keys()]


def _place(parameter: Parameter, value: Value) -> float:
    """Where a value lies in the range of its parameter, 0 to 1."""
    match parameter:
        case Choice(values):
            return values.index(value) / max(1, len(values) - 1)
        case Real(low, high, log=True):
            return float(np.log(float(value) / low) / np.log(high / low))
        case _:
            return (float(value) - parameter.low) / (parameter.high - parameter.low)


def _ends(parameter: Parameter) -> list[tuple[float, str]]:
    """Values to write beside an axis: all choices, or both ends."""
    return [(_place(parameter, value), str(value)) for value in parameter.corners]
