"""Model variants, one file each, their shared layers and settings, and the inputs that they compute from a face store.

`MODELS` lists all variants by name. Training loops, protocols and scores do not belong here.

Axes: N or n samples, one per clip · W windows · R regions · C channels · s or H, W pixels along a side of a map ·
D numbers of a token · K classes · P numbers of a sample as one vector.

The table imports its variants, and with them torch, when it is used for the first time. The motion
prior does not need it, so it predicts soon after the start.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from microfacial.models.base import Estimator, Network, Task, Variant

    MODELS: Mapping[str, Variant]
else:

    def __getattr__(name: str) -> object:
        if name == "MODELS":
            globals()[name] = _list_variants()
            return globals()[name]
        if name in __all__:
            return getattr(import_module("microfacial.models.base"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _list_variants() -> "Mapping[str, Variant]":
    """Return all variants by name."""
    from microfacial.models.flow_cnn import FLOW_CNN
    from microfacial.models.htnet import HTNET
    from microfacial.models.hybrid import HYBRID
    from microfacial.models.linear_svm import LINEAR_SVM
    from microfacial.models.logistic_regression import LOGISTIC_REGRESSION
    from microfacial.models.majority import MAJORITY
    from microfacial.models.mlp import MLP
    from microfacial.models.motion_prior import MOTION_PRIOR
    from microfacial.models.off_apexnet import OFF_APEXNET
    from microfacial.models.rcn_a import RCN_A
    from microfacial.models.rgb import RGB
    from microfacial.models.roi_cnn import ROI_CNN
    from microfacial.models.roi_graph import ROI_GRAPH
    from microfacial.models.roi_transformer import ROI_TRANSFORMER
    from microfacial.models.sssnet import SSSNET
    from microfacial.models.ststnet import STSTNET

    return MappingProxyType(
        {
            "majority": MAJORITY,
            "linear_svm": LINEAR_SVM,
            "motion_prior": MOTION_PRIOR,
            "rgb": RGB,
            "flow_cnn": FLOW_CNN,
            "roi_cnn": ROI_CNN,
            "roi_graph": ROI_GRAPH,
            "roi_transformer": ROI_TRANSFORMER,
            "hybrid": HYBRID,
            "logistic_regression": LOGISTIC_REGRESSION,
            "mlp": MLP,
            "ststnet": STSTNET,
            "off_apexnet": OFF_APEXNET,
            "sssnet": SSSNET,
            "rcn_a": RCN_A,
            "htnet": HTNET,
        }
    )


__all__ = ["MODELS", "Estimator", "Network", "Task", "Variant"]
