"""The load of this machine as metrics of a run, measured by MLflow in a thread of its own."""

import logging
from collections.abc import Callable
from typing import Any

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


def start_monitor(uri: str, run_id: str, seconds: float) -> Callable[[], None]:
    """Start to measure the load of this machine. The metrics of the run start with `system/`.

    A continued run gets further steps. The GPU is measured if the package nvidia-ml-py is installed.

    Args:
        uri: address of the store.
        run_id: id of a run that is not finished.
        seconds: time between two measurements.

    Returns:
        A function that ends the measurements. Call it before the run is closed.
    """
    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
    untyped: Any = SystemMetricsMonitor
    monitor = untyped(run_id, sampling_interval=seconds, resume_logging=True, tracking_uri=uri)
    monitor.start()
    return monitor.finish
