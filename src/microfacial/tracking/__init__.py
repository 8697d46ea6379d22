"""The only package that imports MLflow: its store, runs of trainings and studies, and registered versions.

Decisions about models belong in `registry`. The files in results/ are the truth, and MLflow is a copy of them.
MLflow sends telemetry unless the variable below is set before MLflow is imported. Set it to false to send telemetry.
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
