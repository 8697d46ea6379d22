"""The seam to MLflow, the only package that imports it: its store, runs of trainings.

MLflow sends telemetry unless this is set before it is imported; who wants that sets it to false.
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
