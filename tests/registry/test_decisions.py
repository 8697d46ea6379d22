"""Who becomes champion, in a real registry; killed at any write, there is exactly one."""

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
from microfacial.inference.example_input import Cost
from microfacial.registry import decisions
from microfacial.registry.decisions import Request, Sources, promote_challenger, read_decisions, roll_back
from microfacial.registry.promotion_rule import Evidence, RegistryConfig
from microfacial.tracking.model_versions import ModelVersionRecord, Registry
from microfacial.tracking.store import connect

NAME = "d.s"
REQUEST = Request(config=RegistryConfig(), baseline="linear_svm", draws=200, seed=0)
WRITES = (
    "create_model_version",
    "delete_registered_model_alias",
    "set_model_version_tag",
    "set_registered_model_alias",
    "update_registered_model",
)


class KilledError(BaseException):
    """Stands for a process that ends here: nothing in between may catch it."""


class Mortal:
    """A client that dies before its `lives`th write reaches the store; None never dies."""

    def __init__(self, client: MlflowClient, lives: int | None = None) -> None:
        self._client, self._lives = client, lives
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._counted(method) if name in WRITES else method

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.writes += 1
            if self.writes == self._lives:
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
    """A version without files; the challenger from now on."""
    client = connect(root)
    what = ModelVersionRecord(
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
    made = client.create_model_version(NAME, "file:///nowhere", tags=what.tags)
    client.set_registered_model_alias(NAME, "challenger", made.version)
    return int(made.version)


def sources(baseline: Evidence | None = WEAK, cost: Cost | None = None) -> Sources:
    """Versions of `strong` and `weak` predicted what their names say; both cost the same unless told otherwise."""
    known = {"strong": STRONG, "weak": WEAK, "linear_svm": WEAK}
    usual = Cost(seconds=1.0, size=1000)
    return Sources(
        evidence=lambda version: replace(known[version.model], name=version.title, data=version.origin["data"]),
        costs=lambda *_: (cost or usual, usual),
        baseline=lambda: baseline,
    )


def open_registry(root: Path) -> Registry:
    return Registry(connect(root), NAME)


def champion(root: Path) -> int | None:
    found = open_registry(root).find("champion")
    return found.version if found else None


@pytest.fixture
def contest(root: Path) -> Path:
    """Version 1, weak, is the champion; version 2, strong, challenges."""
    add(root, "weak")
    promote_challenger(open_registry(root), replace(REQUEST, bootstrap=True), sources(), root)
    add(root, "strong")
    return root


def test_a_better_challenger_becomes_the_champion_and_the_decision_stands_in_the_registry(contest: Path) -> None:
    registry = open_registry(contest)
    decision = promote_challenger(registry, REQUEST, sources(), contest)
    assert champion(contest) == 2
    assert registry.find("challenger") is None
    assert (decision.kind, decision.against, decision.tries, decision.done) == ("promoted", 1, 2, True)
    assert read_decisions(registry)[-1] == decision
    assert decision.contest is not None
    assert decision.contest.lower > 0
    text = connect(contest).get_registered_model(NAME).description
    assert "version 2 promoted against version 1: UF1 +" in text


def test_a_worse_challenger_is_refused_and_stays_the_challenger(contest: Path) -> None:
    promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    add(contest, "weak")
    decision = promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    assert (decision.kind, decision.promotes, decision.tries) == ("refused", False, 3)
    assert champion(contest) == 2
    found = open_registry(contest).find("challenger")
    assert found is not None
    assert found.version == 3


def test_tries_are_counted_for_each_state_of_the_data(contest: Path) -> None:
    promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    add(contest, "weak", data="xyz")
    forced = promote_challenger(open_registry(contest), replace(REQUEST, force="new clips"), sources(), contest)
    assert (forced.kind, forced.tries) == ("forced", 1)
    add(contest, "strong", data="xyz")
    assert promote_challenger(open_registry(contest), REQUEST, sources(), contest).tries == 2


def test_a_dry_run_writes_nothing(contest: Path) -> None:
    client = Mortal(connect(contest))
    decision = promote_challenger(Registry(client, NAME), replace(REQUEST, dry_run=True), sources(), contest)  # type: ignore[arg-type]
    assert decision.promotes
    assert client.writes == 0
    assert champion(contest) == 1


def test_a_changed_data_hash_is_refused_by_name_unless_it_is_forced_with_a_reason(contest: Path) -> None:
    add(contest, "strong", data="xyz")
    with pytest.raises(ProtocolError, match=r"strong, version 3 and weak, version 1 .* data \(xyz and abc\)"):
        promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    assert champion(contest) == 1
    decision = promote_challenger(
        open_registry(contest), replace(REQUEST, force="the clips were relabelled"), sources(), contest
    )
    assert champion(contest) == 3
    assert (decision.kind, decision.reason) == ("forced", "the clips were relabelled")
    assert "data (xyz and abc)" in decision.because[0]
    assert "(reason: the clips were relabelled)" in connect(contest).get_registered_model(NAME).description


def test_a_challenger_that_is_slow_is_refused(contest: Path) -> None:
    slow = sources(cost=Cost(seconds=9.0, size=1000))
    decision = promote_challenger(open_registry(contest), REQUEST, slow, contest)
    assert decision.kind == "refused"
    assert "latency is 9.00 times" in decision.because[0]


def test_a_decision_by_another_version_of_the_package_is_named(contest: Path) -> None:
    open_registry(contest).record(1, 2, {"number": 2, "version": 1, "kind": "promoted"})
    with pytest.raises(PipelineError, match=r"decision 2 was written by another version .* microfacial\.decision\.002"):
        read_decisions(open_registry(contest))


# --- the first champion -----------------------------------------------------------------------------------------------


def test_the_first_champion_beats_the_linear_svm(root: Path) -> None:
    add(root, "strong")
    decision = promote_challenger(open_registry(root), REQUEST, sources(), root)
    assert (decision.kind, decision.against) == ("first", None)
    assert champion(root) == 1


def test_a_first_champion_that_does_not_beat_the_linear_svm_is_refused(root: Path) -> None:
    add(root, "weak")
    assert promote_challenger(open_registry(root), REQUEST, sources(baseline=STRONG), root).kind == "refused"
    assert champion(root) is None


@pytest.mark.parametrize(
    ("model", "baseline", "why"),
    [
        ("strong", None, "no linear_svm is evaluated"),
        ("linear_svm", WEAK, "version 1 is linear_svm itself"),
    ],
)
def test_without_a_bar_to_clear_the_first_champion_needs_bootstrap(
    root: Path, model: str, baseline: Evidence | None, why: str
) -> None:
    add(root, model)
    with pytest.raises(ProtocolError, match=f"{why}.* --bootstrap"):
        promote_challenger(open_registry(root), REQUEST, sources(baseline), root)
    decision = promote_challenger(open_registry(root), replace(REQUEST, bootstrap=True), sources(baseline), root)
    assert (decision.kind, champion(root)) == ("first", 1)


def test_bootstrap_is_for_the_first_only(contest: Path) -> None:
    with pytest.raises(PipelineError, match="has a champion, weak, version 1"):
        promote_challenger(open_registry(contest), replace(REQUEST, bootstrap=True), sources(), contest)


def test_without_a_challenger_there_is_nothing_to_decide(root: Path) -> None:
    with pytest.raises(PipelineError, match=r"no challenger\. `microfacial register MODEL` makes one"):
        promote_challenger(open_registry(root), REQUEST, sources(), root)


# --- back -------------------------------------------------------------------------------------------------------------


def test_rollback_restores_the_previous_champion_and_the_one_before(contest: Path) -> None:
    promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    add(contest, "weak")
    promote_challenger(open_registry(contest), replace(REQUEST, force="to try"), sources(), contest)
    decision = roll_back(open_registry(contest), "it fails on glasses", contest)
    assert (decision.kind, decision.version, decision.against) == ("rolled back", 3, 2)
    assert champion(contest) == 2
    roll_back(open_registry(contest), "", contest)
    assert champion(contest) == 1
    with pytest.raises(PipelineError, match="replaced no champion"):
        roll_back(open_registry(contest), "", contest)
    assert [one.kind for one in read_decisions(open_registry(contest))] == [
        "first",
        "promoted",
        "forced",
        "rolled back",
        "rolled back",
    ]


def test_without_a_champion_there_is_no_way_back(root: Path) -> None:
    with pytest.raises(PipelineError, match="has no champion"):
        roll_back(open_registry(root), "", root)


# --- killed, and two at once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lives", range(1, 6))
def test_a_promotion_killed_at_any_write_leaves_one_champion_and_can_be_taken_up(contest: Path, lives: int) -> None:
    with pytest.raises(KilledError):
        promote_challenger(Registry(Mortal(connect(contest), lives), NAME), REQUEST, sources(), contest)  # type: ignore[arg-type]
    moved = lives > 2  # the second write is the alias
    assert champion(contest) == (2 if moved else 1)
    if moved:
        with pytest.raises(PipelineError, match="no challenger"):  # the work is done; what was left is tidied
            promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    else:
        promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    registry = open_registry(contest)
    assert champion(contest) == 2
    assert registry.find("challenger") is None
    assert read_decisions(registry)[-1].done
    roll_back(registry, "", contest)
    assert champion(contest) == 1


def test_a_promotion_has_as_many_writes_as_are_killed(contest: Path) -> None:
    client = Mortal(connect(contest))
    promote_challenger(Registry(client, NAME), REQUEST, sources(), contest)  # type: ignore[arg-type]
    assert client.writes == 5


@pytest.mark.parametrize("lives", range(1, 5))
def test_a_rollback_killed_at_any_write_leaves_one_champion_and_can_be_taken_up(contest: Path, lives: int) -> None:
    promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    with pytest.raises(KilledError):
        roll_back(Registry(Mortal(connect(contest), lives), NAME), "", contest)  # type: ignore[arg-type]
    moved = lives > 2
    assert champion(contest) == (1 if moved else 2)
    if not moved:
        roll_back(open_registry(contest), "", contest)
    assert champion(contest) == 1
    with pytest.raises(PipelineError, match="replaced no champion"):
        roll_back(open_registry(contest), "", contest)
    assert read_decisions(open_registry(contest))[-1].done


def test_of_two_at_once_the_second_is_told(contest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one waits for the lock, the other promotes."""
    alone = decisions.deciding

    @contextmanager
    def overtaken(root: Path) -> Iterator[None]:
        monkeypatch.setattr(decisions, "deciding", alone)
        promote_challenger(open_registry(contest), REQUEST, sources(), contest)
        with alone(root):
            yield

    monkeypatch.setattr(decisions, "deciding", overtaken)
    with pytest.raises(
        PipelineError, match=r"another process changed d\.s meanwhile: the champion is strong, version 2"
    ):
        promote_challenger(open_registry(contest), REQUEST, sources(), contest)
    assert champion(contest) == 2


def test_a_deleted_version_neither_takes_others_decisions_nor_is_gone_back_to(contest: Path) -> None:
    registry = open_registry(contest)
    promote_challenger(registry, REQUEST, sources(), contest)
    add(contest, "strong")
    promote_challenger(registry, replace(REQUEST, force="to try"), sources(), contest)  # decision 3, on version 3
    connect(contest).delete_model_version(NAME, "2")
    with pytest.raises(PipelineError, match="has no version 2"):
        roll_back(registry, "", contest)
    assert [(one.number, one.kind) for one in read_decisions(registry)] == [(1, "first"), (3, "forced")]
    add(contest, "weak")
    assert promote_challenger(registry, REQUEST, sources(), contest).number == 4


def test_a_version_that_microfacial_did_not_register_is_named(contest: Path) -> None:
    connect(contest).create_model_version(NAME, "file:///nowhere")
    with pytest.raises(PipelineError, match=r"version 3 of d\.s has no tag"):
        open_registry(contest).versions()
