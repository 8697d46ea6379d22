"""Every model variant, one file each; `MODELS` names them all."""

from collections.abc import Mapping
from types import MappingProxyType

from microfacial.models.contract import Estimator, Network, Task, Variant
from microfacial.models.flow_cnn import FLOW_CNN
from microfacial.models.hybrid import HYBRID
from microfacial.models.linear_svm import LINEAR_SVM
from microfacial.models.majority import MAJORITY
from microfacial.models.rgb import RGB
from microfacial.models.roi_cnn import ROI_CNN
from microfacial.models.roi_graph import ROI_GRAPH
from microfacial.models.roi_transformer import ROI_TRANSFORMER

MODELS: Mapping[str, Variant] = MappingProxyType(
    {
        "majority": MAJORITY,
        "linear_svm": LINEAR_SVM,
        "rgb": RGB,
        "flow_cnn": FLOW_CNN,
        "roi_cnn": ROI_CNN,
        "roi_graph": ROI_GRAPH,
        "roi_transformer": ROI_TRANSFORMER,
        "hybrid": HYBRID,
    }
)

__all__ = ["MODELS", "Estimator", "Network", "Task", "Variant"]
