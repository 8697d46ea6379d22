"""Results of models that were never trained."""

from dataclasses import replace

import numpy as np

from fakes import make_clip
from microfacial.records import (
    ONSET_APEX,
    Comparison,
    Evaluation,
    FaceStore,
    History,
    Importances,
    Predictions,
    Score,
)
from microfacial.report.page import PageContent
from microfacial.report.results import ModelResult, ReportConfig

SCORE = Score(confusion=((3, 1), (2, 4)), uf1=0.123456, uar=0.7, accuracy=0.7, clips=10, subjects=2)
CLASSES = ("happiness", "disgust")


def make_evaluation(model: str, uf1: float = 0.123456, note: str = "", repeats: int = 1) -> Evaluation:
    return Evaluation(
        model=model,
        protocol="loso",
        repeats=repeats,
        classes=CLASSES,
        overall=replace(SCORE, uf1=uf1),
        corpora={"casme2": SCORE},
        uf1_interval=(0.1, 0.2),
        uar_interval=(0.6, 0.8),
        uf1_sd=0.0123,
        uar_sd=0.0456,
        ece=0.08765,
        mean_over_folds_uf1=0.4,
        mean_over_folds_uar=0.5,
        mean_over_folds_accuracy=0.6,
        note=note,
    )


def make_predictions(model: str, predicted: list[int]) -> Predictions:
    """Return one repetition for clips c/s/1, c/s/2, … of class happiness."""
    return Predictions(
        model=model,
        protocol="loso",
        classes=CLASSES,
        clips=np.array([f"c/s/{number}" for number in range(1, len(predicted) + 1)]),
        subjects=np.array(["c/s"] * len(predicted)),
        truth=np.zeros(len(predicted), np.int64),
        predicted=np.array([predicted]),
        probabilities=np.eye(2)[[predicted]] * 0.8 + 0.1,
    )


def make_repeated_predictions() -> Predictions:
    """Return three repetitions: subject b has every clip wrong, and every second one of a's eight clips is right."""
    truth = np.array([0, 1] * 4 + [1, 1], np.int64)
    predicted = np.tile(np.array([0, 0] * 4 + [0, 0], np.int64), (3, 1))
    confidence = np.random.default_rng(0).uniform(0.5, 1, (3, 10))
    return Predictions(
        model="m",
        protocol="loso",
        classes=("x", "y"),
        clips=np.array([f"c{row}" for row in range(10)]),
        subjects=np.array(["s/a"] * 8 + ["s/b"] * 2),
        truth=truth,
        predicted=predicted,
        probabilities=np.stack([confidence, 1 - confidence], axis=-1),
    )


def make_importances(graph: float = 0.25, regions: tuple[str, ...] = ("eyes", "mouth")) -> Importances:
    """Return equal weights of regions for two clips and two windows; the transformer uses only the second window."""
    share = np.full((2, len(regions)), 1 / len(regions))
    return Importances(
        clips=np.array(["c1", "c2"]),
        region_names=regions,
        window_names=("onset>apex", "apex>offset"),
        fusion=np.tile([graph, 1 - graph], (2, 1)),
        graph_regions=share if graph else 0 * share,
        transformer_regions=share if graph < 1 else 0 * share,
        windows=np.tile([0.0, 1.0 if graph < 1 else 0.0], (2, 1)),
        attention=np.stack([share] * len(regions), axis=1) if graph else np.zeros((2, len(regions), len(regions))),
    )


def make_comparison(model: str, difference: float, low: float, high: float, baseline: str = "linear_svm") -> Comparison:
    """Return a difference in UF1 with its interval."""
    return Comparison(
        model=model,
        baseline=baseline,
        uf1_difference=difference,
        uf1_interval=(low, high),
        uar_difference=0.0,
        uar_interval=(-0.1, 0.1),
        only_model=3,
        only_baseline=5,
        mcnemar_p=0.7265625,
        subjects=2,
    )


def make_result(model: str, uf1: float = 0.123456, note: str = "", repeats: int = 1) -> ModelResult:
    return ModelResult(
        evaluation=make_evaluation(model, uf1, note, repeats),
        predictions=make_predictions(model, [1, 0]),
        settings={"faces": {"method": "whole"}, "flow": {"method": "dis", "dis": {"a": 1}, "tvl1": {"b": 2}}}
        | {"models": {model: {"epochs": 3}}},
    )


def make_hybrid() -> ModelResult:
    """Return the result of a model that explains its predictions, with the curves of one fold."""
    share = np.full((2, 2), 0.5)
    importances = Importances(
        clips=np.array(["c/s/1", "c/s/2"]),
        region_names=("eyes", "mouth"),
        window_names=(ONSET_APEX,),
        fusion=share,
        graph_regions=np.array([[0.9, 0.1], [0.7, 0.3]]),
        transformer_regions=share,
        windows=np.ones((2, 1)),
        attention=np.full((2, 2, 2), 0.5),
    )
    return replace(make_result("hybrid"), importances=importances, curves={"s#0": History(training_loss=(2.0, 1.0))})


def make_content(*results: ModelResult, hardest: int = 1) -> PageContent:
    """Return the content of a page about two clips, c/s/1 and c/s/2, that move to the right."""
    clips = [make_clip(name=name, label="happiness", action_units="6+12") for name in ("1", "2")]
    flow = np.zeros((2, 1, 2, 28, 28), np.float16)
    flow[:, 0, 0] = 2.0
    store = FaceStore(
        clips=tuple(clip.id for clip in clips),
        crops=np.zeros((2, 2, 28, 28, 3), np.uint8),
        flow=flow,
        windows=(ONSET_APEX,),
        unit="px",
        boxes=np.array([[[7, 0, 14, 28]], [[7, 0, 14, 28]]], np.int64),
        regions=("eyes",),
    )
    return PageContent(
        dataset="d",
        clips=clips,
        store=store,
        results=results,
        data_digest="0123456789abcdef",
        settings={"clips": {"scheme": "s", "exclude": []}, "train": {"seed": 0, "repeats": 1}},
        versions={"torch": "2.13.0"},
        ablation=None,
        config=ReportConfig(hardest_clips=hardest),
    )
