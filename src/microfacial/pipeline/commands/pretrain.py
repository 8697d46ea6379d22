"""Command `pretrain`: train the motion prior on drawn motion."""

import time
from importlib.util import find_spec
from pathlib import Path

import click
from joblib import delayed
from tqdm import tqdm

from microfacial import __version__
from microfacial.models.prior import MotionPrior
from microfacial.pipeline.project import PARAMS
from microfacial.pipeline.provenance import git_tags
from microfacial.preprocessing.devices import find_device
from microfacial.tracking.location import store_uri
from microfacial.training.pretraining import Pretraining, pretrain
from microfacial.training.prior_files import TrainedPrior, check_output, score_prior, write_prior
from microfacial.workers import make_parallel


def run_pretrain(output: Path, device: str, plan: Pretraining, *, elsewhere: bool = False) -> None:
    """Train the prior and write its weights and its model card. In a project, write a run into MLflow too.

    Args:
        output: file of the weights. The card is written next to it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        plan: how the prior is trained.
        elsewhere: whether a worker of joblib's backend trains the prior. Then there is no progress bar.

    Raises:
        ConfigError: this machine does not have the device, the file has another extension than .safetensors, or the
            weights or the card would replace a file that this command did not write.
        StorageError: the disk is full, or an existing file cannot be read.
    """
    check_output(output)
    device = find_device(device, "--device")
    started_ms = int(time.time() * 1000)
    if elsewhere:
        ((prior, losses),) = make_parallel(1, return_as="list")([delayed(_pretrain)(plan, device, progress=False)])
    else:
        prior, losses = _pretrain(plan, device, progress=True)
    scores = score_prior(prior, plan)
    sha256 = write_prior(output, prior, plan, device, scores)
    if PARAMS.exists():
        trained = TrainedPrior(path=output, sha256=sha256, plan=plan, device=device, losses=losses, scores=scores)
        _track(trained, started_ms)
    click.echo(f"pretrain: {output} and {output.with_suffix('.md')}, SHA-256 {sha256}")


def _pretrain(plan: Pretraining, device: str, *, progress: bool) -> tuple[MotionPrior, list[float]]:
    """Train the prior. Return it with the loss of each batch."""
    losses: list[float] = []
    with tqdm(total=plan.steps, desc="pretrain", unit="batch", disable=not progress) as bar:

        def watch(step: int, loss: float) -> None:
            losses.append(loss)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        return pretrain(plan, device, watch), losses


def _track(trained: TrainedPrior, started_ms: int) -> None:
    """Write the run into MLflow. If this is not possible, print one line: the weights are written anyway."""
    if find_spec("mlflow") is None:
        click.echo(
            "pretrain: no run is written, because mlflow is not installed. Run "
            '`pip install "microfacial[tracking]"` first if you want a run',
            err=True,
        )
        return
    from microfacial.tracking.failures import WRITE_ERRORS, describe_failure
    from microfacial.tracking.pretraining_runs import log_pretraining
    from microfacial.tracking.store import connect

    tags = {**git_tags(), "microfacial.version": __version__}
    try:
        run_id = log_pretraining(connect(Path()), trained, tags, started_ms, Path())
    except WRITE_ERRORS as error:
        click.echo(
            f"microfacial: MLflow failed: {describe_failure(store_uri(Path()), error)}. The weights are complete, in "
            f"{trained.path}",
            err=True,
        )
    else:
        click.echo(f"pretrain: run {run_id} in MLflow")
