"""Decisions in a real registry. A process that is killed at any write leaves exactly one champion."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from fake_evidence import STRONG, WEAK
from microfacial.errors import PipelineError, ProtocolError
from microfacial.inference.cost import Cost
from microfacial.registry import decisions
from microfacial.registry.decisions import PromotionRequest, promote_challenger, roll_back
from microfacial.registry.evidence import Evidence
from microfacial.registry.settings import RegistryConfig
from microfacial.registry.sources import PromotionSources
from microfacial.registry.stored_decisions import read_decisions
from microfacial.tracking.model_versions import ModelVersionRecord, Registry
from microfacial.tracking.store import connect

NAME = "d.s"
REQUEST = PromotionRequest(config=RegistryConfig(), baseline="linear_svm", draws=200, seed=0)
WRITES = (
    "create_model_version",
    "delete_registered_model_alias",
    "set_model_version_tag",
    "set_registered_model_alias",
    "update_registered_model",
)


class KilledError(BaseException):
    """Stands for the end of the process. No code may catch it."""


class KillableClient:
    """A client that raises an error instead of one of its writes. The first write has the number 1."""

    def __init__(self, client: MlflowClient, killed_write: int | None = None) -> None:
        self._client, self._killed_write = client, killed_write
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._counted(method) if name in WRITES else method

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.writes += 1
            if self.writes == self._killed_write:
                raise KilledError
            return method(*arguments, **options)

        return call


@pytest.fixture
def root(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns")
    connect(tmp_path).create_registered_model(NAME)
    return tmp_path


def add(root: Path, model: str, data: str = "abc") -> int:
    """Add a version without files, and make it the challenger."""
    client = connect(root)
    record = ModelVersionRecord(
        name=NAME,
        version=0,
        model=model,
        settings={},
        dataset="d",
        scheme="s",
        protocol="loso",
        tuned_on=(),
        run_id="",
        origin={"data": data},
    )
    version = client.create_model_version(NAME, "file:///nowhere", tags=record.tags)
    client.set_registered_model_alias(NAME, "challenger", version.version)
    return int(version.version)


def sources(baseline: Evidence | None = WEAK, cost: Cost | None = None) -> PromotionSources:
    """Return sources in which the model `strong` has better evidence than the models `weak` and `linear_svm`.

    Args:
        baseline: evidence of the baseline.
        cost: cost of the challenger. Defaults to the champion's.
    """
    by_model = {"strong": STRONG, "weak": WEAK, "linear_svm": WEAK}
    champion_cost = Cost(seconds=1.0, size=1000)
    return PromotionSources(
        evidence=lambda version: replace(by_model[version.model], name=version.title, data=version.origin["data"]),
        costs=lambda *_: (cost or champion_cost, champion_cost),
        baseline=lambda: baseline,
    )


def open_registry(root: Path) -> Registry:
    return Registry(connect(root), NAME)


def open_killable(root: Path, killed_write: int) -> Registry:
    return Registry(KillableClient(connect(root), killed_write), NAME)  # type: ignore[arg-type]


def champion(root: Path) -> int | None:
    version = open_registry(root).find("champion")
    return version.version if version else None


@pytest.fixture
def challenged(root: Path) -> Path:
    """A project in which version 1, `weak`, is the champion, and version 2, `strong`, is the challenger."""
    add(root, "weak")
    promote_challenger(open_registry(root), replace(REQUEST, bootstrap=True), sources(), root)
    add(root, "strong")
    return root


def test_a_better_challenger_becomes_the_champion_and_the_decision_is_stored(challenged: Path) -> None:
    registry = open_registry(challenged)
    decision = promote_challenger(registry, REQUEST, sources(), challenged)
    assert champion(challenged) == 2
    assert registry.find("challenger") is None
    assert (decision.kind, decision.against, decision.attempts, decision.done) == ("promoted", 1, 2, True)
    assert read_decisions(registry)[-1] == decision
    assert decision.comparison is not None
    assert decision.comparison.lower > 0
    text = connect(challenged).get_registered_model(NAME).description
    assert "version 2 promoted against version 1: UF1 +" in text


def test_a_worse_challenger_is_refused_and_remains_the_challenger(challenged: Path) -> None:
    promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    add(challenged, "weak")
    decision = promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    assert (decision.kind, decision.promotes, decision.attempts) == ("refused", False, 3)
    assert champion(challenged) == 2
    challenger = open_registry(challenged).find("challenger")
    assert challenger is not None
    assert challenger.version == 3


def test_attempts_are_counted_separately_for_different_data(challenged: Path) -> None:
    promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    add(challenged, "weak", data="xyz")
    forced = promote_challenger(open_registry(challenged), replace(REQUEST, force="new clips"), sources(), challenged)
    assert (forced.kind, forced.attempts) == ("forced", 1)
    add(challenged, "strong", data="xyz")
    assert promote_challenger(open_registry(challenged), REQUEST, sources(), challenged).attempts == 2


def test_a_dry_run_writes_nothing(challenged: Path) -> None:
    client = KillableClient(connect(challenged))
    decision = promote_challenger(Registry(client, NAME), replace(REQUEST, dry_run=True), sources(), challenged)  # type: ignore[arg-type]
    assert decision.promotes
    assert client.writes == 0
    assert champion(challenged) == 1


def test_different_data_is_refused_unless_the_promotion_is_forced_with_a_reason(challenged: Path) -> None:
    add(challenged, "strong", data="xyz")
    with pytest.raises(ProtocolError, match=r"strong, version 3 and weak, version 1 .* data \(xyz and abc\)"):
        promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    assert champion(challenged) == 1
    decision = promote_challenger(
        open_registry(challenged), replace(REQUEST, force="the clips were relabelled"), sources(), challenged
    )
    assert champion(challenged) == 3
    assert (decision.kind, decision.justification) == ("forced", "the clips were relabelled")
    assert "data (xyz and abc)" in decision.reasons[0]
    assert "(reason: the clips were relabelled)" in connect(challenged).get_registered_model(NAME).description


def test_a_slow_challenger_is_refused(challenged: Path) -> None:
    slow = sources(cost=Cost(seconds=9.0, size=1000))
    decision = promote_challenger(open_registry(challenged), REQUEST, slow, challenged)
    assert decision.kind == "refused"
    assert "latency is 9.00 times" in decision.reasons[0]


# --- the first champion -----------------------------------------------------------------------------------------------


def test_a_first_champion_that_beats_the_baseline_is_promoted(root: Path) -> None:
    add(root, "strong")
    decision = promote_challenger(open_registry(root), REQUEST, sources(), root)
    assert (decision.kind, decision.against) == ("first", None)
    assert champion(root) == 1


def test_a_first_champion_that_does_not_beat_the_baseline_is_refused(root: Path) -> None:
    add(root, "weak")
    assert promote_challenger(open_registry(root), REQUEST, sources(baseline=STRONG), root).kind == "refused"
    assert champion(root) is None


@pytest.mark.parametrize(
    ("model", "baseline", "problem"),
    [
        ("strong", None, "linear_svm is not trained"),
        ("linear_svm", WEAK, "linear_svm, version 1 is the baseline itself"),
    ],
)
def test_without_a_baseline_to_beat_the_first_champion_needs_bootstrap(
    root: Path, model: str, baseline: Evidence | None, problem: str
) -> None:
    add(root, model)
    with pytest.raises(ProtocolError, match=f"{problem}.* --bootstrap"):
        promote_challenger(open_registry(root), REQUEST, sources(baseline), root)
    decision = promote_challenger(open_registry(root), replace(REQUEST, bootstrap=True), sources(baseline), root)
    assert (decision.kind, champion(root)) == ("first", 1)


def test_bootstrap_is_refused_if_there_is_a_champion(challenged: Path) -> None:
    with pytest.raises(PipelineError, match=r"weak, version 1.*--bootstrap"):
        promote_challenger(open_registry(challenged), replace(REQUEST, bootstrap=True), sources(), challenged)


def test_promotion_without_a_challenger_is_refused(root: Path) -> None:
    with pytest.raises(PipelineError, match=r"d\.s has no challenger.*microfacial register MODEL"):
        promote_challenger(open_registry(root), REQUEST, sources(), root)


# --- rollback ---------------------------------------------------------------------------------------------------------


def test_rollbacks_restore_the_previous_champion_and_then_the_one_before_it(challenged: Path) -> None:
    promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    add(challenged, "weak")
    promote_challenger(open_registry(challenged), replace(REQUEST, force="to try"), sources(), challenged)
    decision = roll_back(open_registry(challenged), "it fails on glasses", challenged)
    assert (decision.kind, decision.version, decision.against) == ("rolled back", 3, 2)
    assert champion(challenged) == 2
    roll_back(open_registry(challenged), "", challenged)
    assert champion(challenged) == 1
    with pytest.raises(PipelineError, match="version 1 replaced no champion"):
        roll_back(open_registry(challenged), "", challenged)
    assert [decision.kind for decision in read_decisions(open_registry(challenged))] == [
        "first",
        "promoted",
        "forced",
        "rolled back",
        "rolled back",
    ]


def test_rollback_without_a_champion_is_refused(root: Path) -> None:
    with pytest.raises(PipelineError, match=r"d\.s has no champion"):
        roll_back(open_registry(root), "", root)


# --- killed processes and simultaneous promotions ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("killed_write", range(1, 6))
def test_a_promotion_killed_at_a_write_leaves_one_champion_and_can_be_repeated(
    challenged: Path, killed_write: int
) -> None:
    with pytest.raises(KilledError):
        promote_challenger(open_killable(challenged, killed_write), REQUEST, sources(), challenged)
    moved = killed_write > 2  # the second write is the alias
    assert champion(challenged) == (2 if moved else 1)
    if moved:
        with pytest.raises(PipelineError, match="no challenger"):  # it is promoted; only the remaining writes are made
            promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    else:
        promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    registry = open_registry(challenged)
    assert champion(challenged) == 2
    assert registry.find("challenger") is None
    assert read_decisions(registry)[-1].done
    roll_back(registry, "", challenged)
    assert champion(challenged) == 1


def test_a_promotion_has_five_writes(challenged: Path) -> None:
    client = KillableClient(connect(challenged))
    promote_challenger(Registry(client, NAME), REQUEST, sources(), challenged)  # type: ignore[arg-type]
    assert client.writes == 5


@pytest.mark.slow
@pytest.mark.parametrize("killed_write", range(1, 5))
def test_a_rollback_killed_at_a_write_leaves_one_champion_and_can_be_repeated(
    challenged: Path, killed_write: int
) -> None:
    promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    with pytest.raises(KilledError):
        roll_back(open_killable(challenged, killed_write), "", challenged)
    moved = killed_write > 2
    assert champion(challenged) == (1 if moved else 2)
    if not moved:
        roll_back(open_registry(challenged), "", challenged)
    assert champion(challenged) == 1
    with pytest.raises(PipelineError, match="version 1 replaced no champion"):
        roll_back(open_registry(challenged), "", challenged)
    assert read_decisions(open_registry(challenged))[-1].done


def test_the_second_of_two_simultaneous_promotions_is_refused(
    challenged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one promotion waits for the lock, the other one is carried out."""
    lock = decisions.registry_lock

    @contextmanager
    def overtaken(root: Path) -> Iterator[None]:
        monkeypatch.setattr(decisions, "registry_lock", lock)
        promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
        with lock(root):
            yield

    monkeypatch.setattr(decisions, "registry_lock", overtaken)
    with pytest.raises(PipelineError, match=r"d\.s .*another process.* strong, version 2"):
        promote_challenger(open_registry(challenged), REQUEST, sources(), challenged)
    assert champion(challenged) == 2


def test_a_deleted_version_frees_no_decision_number_and_cannot_be_restored(challenged: Path) -> None:
    registry = open_registry(challenged)
    promote_challenger(registry, REQUEST, sources(), challenged)
    add(challenged, "strong")
    promote_challenger(registry, replace(REQUEST, force="to try"), sources(), challenged)  # decision 3, on version 3
    connect(challenged).delete_model_version(NAME, "2")
    with pytest.raises(PipelineError, match="version 2"):
        roll_back(registry, "", challenged)
    assert [(decision.number, decision.kind) for decision in read_decisions(registry)] == [(1, "first"), (3, "forced")]
    add(challenged, "weak")
    assert promote_challenger(registry, REQUEST, sources(), challenged).number == 4


def test_a_version_without_the_tags_of_microfacial_is_named(challenged: Path) -> None:
    connect(challenged).create_model_version(NAME, "file:///nowhere")
    with pytest.raises(PipelineError, match=r"version 3 of d\.s"):
        open_registry(challenged).versions()
