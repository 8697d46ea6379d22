"""The data of MicroFacial: frozen records that pass through the pipeline once.

This package holds records, the constants that several packages share, and the protocols of a trained model. It reads
no files and computes no scores.

Axes: N clips or samples · n, m selected rows of them · T windows · R regions · C channels · H, W or s pixels along a
side · K classes · S subjects · P numbers of a sample as one vector.

    Clip ──locate──▶ Face ──compute_flow──▶ FlowSequence ──make_inputs──▶ Samples
                                                                            │ plan_folds
      Report ◀──summarise── Evaluation ◀──pool── FoldResult × S ◀──run_folds┘
"""

from microfacial.records.clips import (
    DEMO_CORPUS,
    FRAME_NUMBER,
    ONSET_APEX,
    PHASE_WINDOWS,
    ApexSource,
    Box,
    Clip,
    Face,
    FaceSource,
    FaceStore,
    FloatArray,
    FlowSequence,
    FlowUnit,
    Image,
    frame_path,
    is_synthetic,
)
from microfacial.records.results import (
    ORACLE,
    PRIOR_ON_DRAWN,
    PROTOCOL_NAMES,
    SYNTHETIC,
    Comparison,
    Evaluation,
    Importances,
    Predictions,
    Score,
)
from microfacial.records.training import (
    DeviceName,
    Explainable,
    Fitted,
    FoldPlan,
    FoldResult,
    History,
    Inputs,
    LearningTask,
    Samples,
    TrainingData,
)
from microfacial.records.units import UnitComparison, UnitEvaluation, UnitMeans, UnitScore

__all__ = [
    "DEMO_CORPUS",
    "FRAME_NUMBER",
    "ONSET_APEX",
    "ORACLE",
    "PHASE_WINDOWS",
    "PRIOR_ON_DRAWN",
    "PROTOCOL_NAMES",
    "SYNTHETIC",
    "ApexSource",
    "Box",
    "Clip",
    "Comparison",
    "DeviceName",
    "Evaluation",
    "Explainable",
    "Face",
    "FaceSource",
    "FaceStore",
    "Fitted",
    "FloatArray",
    "FlowSequence",
    "FlowUnit",
    "FoldPlan",
    "FoldResult",
    "History",
    "Image",
    "Importances",
    "Inputs",
    "LearningTask",
    "Predictions",
    "Samples",
    "Score",
    "TrainingData",
    "UnitComparison",
    "UnitEvaluation",
    "UnitMeans",
    "UnitScore",
    "frame_path",
    "is_synthetic",
]
