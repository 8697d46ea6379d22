"""Measure how much each part of the hybrid contributes.

An ablation is the hybrid without one part, trained again on the same folds with the same seeds. `apex_shift` measures
the cost of a wrong apex. Finished folds and flow are stored, so that a run that was killed continues from them.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ConfigError
from microfacial.evaluation.ablation_table import AblationRow, score_row
from microfacial.evaluation.apex_shift import score_shifts
from microfacial.evaluation.experiment import Data
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import plan_folds
from microfacial.files import as_file_name, digest
from microfacial.models import MODELS
from microfacial.models.hybrid import HybridSettings
from microfacial.models.inputs import make_samples
from microfacial.preprocessing.clip_cache import SPARE_BYTES, ClipCache
from microfacial.preprocessing.devices import find_device
from microfacial.preprocessing.face_jobs import ReportProgress
from microfacial.preprocessing.flow import FlowConfig, flow_layout
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips
from microfacial.preprocessing.store import features_digest, read_faces_of, read_flow, write_flow
from microfacial.records import Clip, FaceStore, FoldResult, Predictions, Samples
from microfacial.settings import check

ABLATED_MODEL = "hybrid"
FULL = "full"
CountFolds = Callable[[str, int], AbstractContextManager[Callable[[FoldResult], None]]]
"""Receives a label and a number of folds. Opens a function that is called with each finished fold."""
CountClips = Callable[[str], AbstractContextManager[ReportProgress]]
"""Receives a label. Opens a function that is called with the numbers of finished clips and of all clips."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A part that is removed from the hybrid.

    Attributes:
        hybrid: keys of `models.hybrid` and the values that replace theirs.
        flow: keys of `flow` and the values that replace theirs.
        not_on_maps: reason why the ablation is not possible on published flow maps. Empty if it is possible.
    """

    hybrid: Mapping[str, Any] = field(default_factory=dict)
    flow: Mapping[str, Any] = field(default_factory=dict)
    not_on_maps: str = ""


ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        FULL: Ablation(),
        "without graph": Ablation(hybrid={"graph": False}),
        "without transformer": Ablation(hybrid={"transformer": False}),
        "without face part": Ablation(hybrid={"face_share": 0.0}),  # the face stays a region, and the prior's input
        "without motion prior": Ablation(
            hybrid={"prior_share": 0.0, "start": None}
        ),  # also shows the whole square, not a portrait
        "one loss for all parts": Ablation(hybrid={"part_losses": False}),
        "fixed fusion": Ablation(hybrid={"fusion": "fixed"}),
        "one window": Ablation(
            hybrid={"windows_per_phase": 0}, not_on_maps="not possible on published maps, which have one window anyway"
        ),
        "head motion kept": Ablation(
            flow={"head_motion": "off"}, not_on_maps="not possible on published maps, which have no frames"
        ),
        "no flip": Ablation(hybrid={"flip": False, "test_time_flip": False}),
    }
)


@dataclass(frozen=True, kw_only=True)
class AblationSetup:
    """Everything that all rows of an ablation share.

    Attributes:
        data: the data set and the protocol.
        hybrid: settings of the full hybrid.
        flow: settings of the flow in `data`.
        results: results folder of the data set, with clips, faces and flow.
        state: folder of finished folds and of flow.
        frames_root: folder that contains the corpora.
        code: digest of the code that trains and predicts.
        flow_code: digest of the code that computes flow.
        processes: number of processes. It changes the time, not the results.
        count_folds: shows the progress of training.
        count_clips: shows the progress of flow.
    """

    data: Data
    hybrid: HybridSettings
    flow: FlowConfig
    results: Path
    state: Path
    frames_root: Path
    code: str
    flow_code: str
    processes: int
    count_folds: CountFolds
    count_clips: CountClips

    @property
    def on_maps(self) -> bool:
        """Whether the data set consists of published flow maps, which have no frames."""
        return self.data.store.unit == "stretched"

    @cached_property
    def features(self) -> str:
        """Digest of clips, faces and flow."""
        return features_digest(self.results)

    def compute_flow(self, clips: Sequence[Clip], config: FlowConfig, label: str) -> NDArray[np.float16]:
        """Compute the flow of clips with other settings or another apex, or take it from an earlier run.

        Args:
            clips: clips with located faces.
            config: settings of flow.
            label: text for the progress bar.

        Returns:
            Flow, `(n, T, C, H, W)`, memory-mapped.

        Raises:
            StorageError: faces are missing, or there is no face for one of the clips.
            DatasetError: a frame cannot be read, or a clip has no flow.
        """
        faces, size_px = read_faces_of(self.results / "faces", clips)
        with self.count_clips(label) as report:
            flows = compute_flow_of_clips(
                clips,
                faces,
                size_px,
                config,
                cache=ClipCache(self.state / "flow", SPARE_BYTES, "Delete it and run `microfacial ablate` again"),
                frames_root=self.frames_root,
                processes=self.processes,
                code=self.flow_code,
                report=report,
            )
            folder = self.flow_arrays / as_file_name(label)
            write_flow(folder, [clip.id for clip in clips], flows, flow_layout(config), size_px)
        return read_flow(folder, size_px)[1]

    @property
    def flow_arrays(self) -> Path:
        """Folder of the flow that `compute_flow` returned. It is deleted at the end of the run."""
        return self.state / "flow-arrays"


def run_ablation(setup: AblationSetup) -> tuple[list[AblationRow], list[AblationRow]]:
    """Train every ablation, and shift the apex of test clips.

    Args:
        setup: data, settings and folders.

    Returns:
        Rows of the ablations, the full hybrid first, and rows of the shifts. There are no shifts on published maps.

    Raises:
        StorageError: faces or flow are missing, or a stored fold is damaged.
        ConfigError: training diverges.
        ProtocolError: the data cannot be divided by the protocol.
    """
    samples = _make_samples(setup, setup.data.store, setup.hybrid)
    folds = _train(setup, FULL, samples, setup.hybrid, setup.flow)
    full, reference = score_row(FULL, samples, folds, setup.data.protocol)
    rows = [full, *(_ablate(setup, name, reference) for name in ABLATIONS if name != FULL)]
    shifts = []
    if not setup.on_maps:

        def compute_flow(clips: Sequence[Clip], label: str) -> NDArray[np.float16]:
            return setup.compute_flow(clips, setup.flow, label)

        shifts = score_shifts(setup.data, samples, folds, setup.hybrid, compute_flow, setup.processes)
    shutil.rmtree(setup.flow_arrays, ignore_errors=True)
    return rows, shifts


def apply_ablation(ablation: Ablation, hybrid: HybridSettings, flow: FlowConfig) -> tuple[HybridSettings, FlowConfig]:
    """Return settings of the hybrid and of flow without the part that an ablation removes.

    Args:
        ablation: the part to remove.
        hybrid: settings of the full hybrid.
        flow: settings of flow.

    Returns:
        The changed settings of the hybrid and of flow.

    Raises:
        ConfigError: the remaining settings are not valid.
    """
    return (
        check({**hybrid.model_dump(), **ablation.hybrid}, HybridSettings, f"models.{ABLATED_MODEL}"),
        check({**flow.model_dump(), **ablation.flow}, FlowConfig, "flow"),
    )


def _ablate(setup: AblationSetup, name: str, reference: Predictions) -> AblationRow:
    """Train one ablation and compare it with the full hybrid, or note why it is not possible."""
    ablation = ABLATIONS[name]
    if setup.on_maps and ablation.not_on_maps:
        return AblationRow(name=name, note=ablation.not_on_maps)
    try:
        hybrid, flow = apply_ablation(ablation, setup.hybrid, setup.flow)
    except ConfigError as error:
        return AblationRow(name=name, note=str(error))
    if (hybrid, flow) == (setup.hybrid, setup.flow):
        return AblationRow(name=name, note="the full hybrid already has these settings")
    store = setup.data.store
    if flow != setup.flow:
        store = replace(store, flow=setup.compute_flow(setup.data.clips, flow, name))
    samples = _make_samples(setup, store, hybrid)
    folds = _train(setup, name, samples, hybrid, flow)
    return score_row(name, samples, folds, setup.data.protocol, reference)[0]


def _make_samples(setup: AblationSetup, store: FaceStore, hybrid: HybridSettings) -> Samples:
    inputs = MODELS[ABLATED_MODEL].make_inputs(store, hybrid)
    return make_samples(inputs, store, setup.data.clips, setup.data.classes)


def _train(
    setup: AblationSetup, name: str, samples: Samples, hybrid: HybridSettings, flow: FlowConfig
) -> list[FoldResult]:
    """Train all folds of one row. Folds of the full hybrid keep their networks, which the shifts of the apex need."""
    checkpoints = name == FULL
    protocol = setup.data.protocol.model_copy(update={"oracle": False, "checkpoints": checkpoints})
    features = setup.features
    if flow != setup.flow:
        features = digest([], features, flow.model_dump(mode="json"), setup.flow_code)
    key = fold_key(features, setup.code, protocol, ABLATED_MODEL, hybrid, setup.data.classes)
    plans = plan_folds(samples, protocol)
    folds = []
    with setup.count_folds(name, len(plans)) as count:
        for fold in train_folds(
            samples,
            plans,
            ABLATED_MODEL,
            hybrid,
            processes=setup.processes,
            cache=FoldCache(setup.state / "folds", key),
            checkpoints=checkpoints,
            device=find_device(protocol.device, "train.device"),
        ):
            folds.append(fold)
            count(fold)
    return folds
