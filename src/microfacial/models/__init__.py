"""Every model variant, one file each; `MODELS` names them all."""

from collections.abc import Mapping
from types import MappingProxyType

from microfacial.models.contract import Estimator, Network, Task, Variant
from microfacial.models.linear_svm import LINEAR_SVM
from microfacial.models.majority import MAJORITY
from microfacial.models.roi_cnn import ROI_CNN

MODELS: Mapping[str, Variant] = MappingProxyType({"majority": MAJORITY, "linear_svm": LINEAR_SVM, "roi_cnn": ROI_CNN})

__all__ = ["MODELS", "Estimator", "Network", "Task", "Variant"]
