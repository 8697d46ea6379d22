"""Tables of runs on MLflow's page: which runs, in which order, with which columns.

MLflow keeps such a view in a tag of the experiment, and its page reads the view that an address names.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ViewName = Literal["models", "folds", "units", "unit folds", "studies", "trials"]
TRAINING_VIEWS: tuple[ViewName, ...] = ("models", "folds")
UNIT_VIEWS: tuple[ViewName, ...] = ("units", "unit folds")
STUDY_VIEWS: tuple[ViewName, ...] = ("studies", "trials")
_TAG = "mlflow.sharedViewState."


@dataclass(frozen=True)
class _Table:
    """A table of runs.

    Attributes:
        role: value of the tag `microfacial.role` of its runs.
        order: metric that sorts the runs.
        ascending: whether the smallest value is at the top.
        columns: columns after the name, as MLflow names them.
    """

    role: str
    order: str
    ascending: bool
    columns: tuple[str, ...]


def _columns(metrics: str, params: str, tags: str = "", attributes: str = "") -> tuple[str, ...]:
    kinds = {"attributes": attributes, "metrics": metrics, "params": params, "tags": tags}
    return tuple(f"{kind}.`{name}`" for kind, names in kinds.items() for name in names.split())


_TABLES: dict[ViewName, _Table] = {
    "models": _Table(
        "model",
        "uf1",
        False,
        _columns(
            "uf1 uf1_low uf1_high uar accuracy",
            "model protocol seed train.repeats",
            "microfacial.dvc_exp",
            "Duration",
        ),
    ),
    "folds": _Table(
        "fold",
        "held_out_accuracy",
        True,
        _columns("held_out_accuracy held_out_hits held_out_clips seconds", "model subject repeat chosen"),
    ),
    "units": _Table(
        "model",
        "f1",
        False,
        _columns("f1 f1_low f1_high roc_area f1_over_corpora", "model protocol seed train.repeats", "", "Duration"),
    ),
    "unit folds": _Table(
        "fold",
        "held_out_unit_hits",
        True,
        _columns(
            "held_out_unit_hits held_out_units held_out_unit_false_alarms held_out_clips seconds",
            "model subject repeat chosen",
        ),
    ),
    "studies": _Table(
        "study",
        "uf1_difference",
        False,
        _columns(
            "uf1 uf1_trial_0 uf1_difference uf1_difference_low uf1_difference_high",
            "",
            "microfacial.model microfacial.best",
            "Duration",
        ),
    ),
    "trials": _Table(
        "trial",
        "inner_uf1",
        False,
        _columns("inner_uf1 folds seconds", "model", "microfacial.study microfacial.state"),
    ),
}


def view_tags(views: Iterable[ViewName]) -> dict[str, str]:
    """Return the tags of an experiment that hold some views.

    Args:
        views: names of the views.
    """
    return {f"{_TAG}{_key(view)}": json.dumps(_as_state(_TABLES[view])) for view in views}


def view_address(page: str, experiment: str, view: ViewName) -> str:
    """Return the address of a view on MLflow's page.

    Args:
        page: address of MLflow's page, such as http://127.0.0.1:5000.
        experiment: id of the experiment.
        view: name of the view.
    """
    options = f"workflowType=machine_learning&viewStateShareKey={_key(view)}"
    return f"{page.rstrip('/')}/#/experiments/{experiment}/runs?{options}"


def _key(view: ViewName) -> str:
    return f"microfacial-{view.replace(' ', '-')}"


def _as_state(table: _Table) -> dict[str, object]:
    """Return a table as MLflow's page stores it."""
    return {
        "searchFilter": f"tags.`microfacial.role` = '{table.role}'",
        "orderByKey": f"metrics.`{table.order}`",
        "orderByAsc": table.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(table.columns),
        "runsExpanded": {},
    }
