"""Choose where the tasks of a command run: in processes of the command, or on workers of dask.distributed."""

from collections.abc import Iterator
from contextlib import contextmanager

from microfacial.cluster.settings import RunConfig
from microfacial.pipeline.extras import require_extras
from microfacial.pipeline.project import PARAMS, STATE
from microfacial.settings import read_optional_section


def read_run_config() -> RunConfig:
    """Return the `run` section of params.yaml, or its defaults if there is no such file or section.

    Raises:
        ConfigError: params.yaml cannot be read, or a key, type or bound is wrong.
    """
    return read_optional_section(PARAMS, "run", RunConfig)


@contextmanager
def chosen_backend(config: RunConfig, processes: int) -> Iterator[None]:
    """Send the tasks of joblib to the backend that the settings name.

    Args:
        config: the `run` section of params.yaml.
        processes: number of workers to start on this machine, if the tasks run on it.

    Raises:
        MissingExtraError: the backend is `dask`, and it is not installed.
        PipelineError: no worker can be reached, the scheduler is lost, or a worker has other code or versions.
    """
    if config.backend == "local":
        yield
        return
    require_extras("distributed", "dask_jobqueue")
    from microfacial.cluster.connect import run_on_cluster
    from microfacial.pipeline.result_versions import read_result_versions

    with run_on_cluster(config, processes, STATE, read_result_versions()):
        yield
