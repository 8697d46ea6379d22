"""What MLflow runs to serve a registered version: it copies this file into the version, the package beside it.

Input: a table with `clip`, a path or base64 of a video, and optionally `onset`, `apex`, `offset` and `fps`; what is not
given is spotted. Output: `label`, and a column `p_<class>` for each class.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from microfacial.errors import MicrofacialError
from microfacial.inference.bundle import open_brought, read_pack
from microfacial.inference.predict import TrainedModel

MOMENTS = ("onset", "apex", "offset")


class PackedModel(PythonModel):
    """A trained model behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights."""
        self._model = read_pack(Path(context.artifacts["pack"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A row of label and probabilities for each clip.

        Raises:
            MlflowException: a clip cannot be read; a server answers 400 with the reason.
        """
        given = ({str(name): value for name, value in row.items()} for row in model_input.to_dict("records"))
        rows = [_predict_row(self._model, row) for row in given]
        return pd.DataFrame(rows, columns=["label", *(f"p_{label}" for label in self._model.classes)])


def _predict_row(model: TrainedModel, row: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in row.items() if value is not None and value == value}  # NaN is no value
    moments = {name: int(given[name]) for name in MOMENTS if name in given}
    fps = float(given["fps"]) if "fps" in given else None
    try:
        with open_brought(str(row["clip"])) as path:
            chances = model.predict_clip(path, **moments, fps=fps)
    except MicrofacialError as error:
        raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
    return {
        "label": max(chances, key=lambda label: chances[label]),
        **{f"p_{label}": chance for label, chance in chances.items()},
    }


set_model(PackedModel())
