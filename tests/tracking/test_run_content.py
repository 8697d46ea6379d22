import json
from dataclasses import replace
from pathlib import Path

from tracked_training import (
    log_fold,
    open_run,
    read_runs,
)

from microfacial.records import FoldResult, History
from microfacial.tracking.store import connect


def test_parameters_are_the_settings_in_use_with_flat_names_and_the_values_of_params_yaml(root: Path) -> None:
    open_run(root)
    (parent,), _ = read_runs(connect(root))
    assert parent.data.params == {
        "model": "m",
        "dataset": "d",
        "scheme": "s",
        "protocol": "composite",
        "corpora": "a b",
        "seed": "0",
        "epochs": "2",
        "widths": "[8, 8]",
        "max_gradient_norm": "null",
        "flip": "true",
        "train.repeats": "1",
        "faces.size_px": "16",
        "flow.method": "dis",
        "flow.dis.preset": "fast",  # without the settings of tvl1, which was not used
    }


def test_model_and_fold_runs_list_the_flow_store_as_their_dataset(root: Path, folds: list[FoldResult]) -> None:
    log_fold(open_run(root), folds[0])
    (parent,), (child,) = read_runs(connect(root))
    for run in (parent, child):
        assert run.inputs is not None
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("d flow", ("ab" * 30)[:36])
        assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training"}
        assert json.loads(used.dataset.source) == {"uri": "results/d/flow"}
        assert json.loads(used.dataset.profile or "{}")["features_nbytes"] == 2 * 25 * 5 * 2 * 16 * 16
        assert "float16" in (used.dataset.schema or "")


def test_curves_longer_than_one_batch_are_complete(root: Path, folds: list[FoldResult]) -> None:
    curve = tuple(float(epoch) for epoch in range(500))
    history = History(training_loss=curve, validation_loss=curve, validation_uar=curve)
    log_fold(open_run(root), replace(folds[0], history=history))
    client = connect(root)
    (child,) = read_runs(client)[1]
    for name in ("training_loss", "validation_loss", "validation_uar"):
        assert tuple(point.value for point in client.get_metric_history(child.info.run_id, name)) == curve
