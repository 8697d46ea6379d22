from pathlib import Path

import pytest

from microfacial.tracking.location import store_owner, store_uri


def test_a_checkout_of_a_queued_experiment_uses_the_store_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    checkout = tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmp_1"
    checkout.mkdir(parents=True)
    assert store_owner(checkout) == store_owner(tmp_path) == tmp_path.resolve()
    assert store_uri(checkout) == f"sqlite:///{tmp_path.resolve()}/mlruns/mlflow.db"
