"""Serve a registered version with MLflow. MLflow copies this file into the version, together with the package.

The input is a table with the column `clip`, a video or map as base64; `inference.request` limits its size. The columns
`onset`, `apex`, `offset` and `fps` are optional; moments that are not given are spotted. The output has the column
`label` and one column `p_<class>` for each class.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from microfacial.errors import MicrofacialError
from microfacial.inference.bundle import read_bundle
from microfacial.inference.predict import TrainedModel
from microfacial.inference.request import open_requested_clip

_LOG = logging.getLogger(__name__)
_MOMENTS = ("onset", "apex", "offset")


class ServedModel(PythonModel):
    """A trained model with MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle of the version.

        Args:
            context: MLflow's description of the version. Its artifact `bundle` is the folder of the bundle.
        """
        self._model = read_bundle(Path(context.artifacts["bundle"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the label and the probabilities of each clip.

        Args:
            context: not used.
            model_input: one row for each clip; the columns are described at the top of this module.
            params: not used.

        Returns:
            One row for each clip, with the columns `label` and `p_<class>`.

        Raises:
            MlflowException: a clip cannot be read. A server then answers with status 400 and the reason. For an error
                of the program, it answers with status 500, and its log has the details.
        """
        rows = [
            _predict_row(self._model, {str(name): value for name, value in row.items()})
            for row in model_input.to_dict("records")
        ]
        return pd.DataFrame(rows, columns=["label", *(f"p_{label}" for label in self._model.classes)])


def _predict_row(model: TrainedModel, row: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in row.items() if value is not None and value == value}  # NaN: not given
    moments = {name: int(given[name]) for name in _MOMENTS if name in given}
    fps = float(given["fps"]) if "fps" in given else None
    try:
        with open_requested_clip(str(row["clip"])) as path:
            try:
                probabilities = model.predict_clip(path, **moments, fps=fps)
            except MicrofacialError as error:  # the temporary path means nothing to the sender
                raise MicrofacialError(str(error).replace(str(path), "the clip")) from None
    except MicrofacialError as error:
        raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
    except Exception:  # noqa: BLE001 - MLflow would send the stack trace to the sender of the request
        _LOG.exception("a clip could not be predicted")
        raise MlflowException("the server failed on this clip. Its log has the reason", INTERNAL_ERROR) from None
    return {
        "label": max(probabilities, key=lambda label: probabilities[label]),
        **{f"p_{label}": probability for label, probability in probabilities.items()},
    }


set_model(ServedModel())
