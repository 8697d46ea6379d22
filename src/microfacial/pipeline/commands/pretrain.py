"""Command `pretrain`: train the motion prior on drawn motion."""

from pathlib import Path

import click
from joblib import delayed
from tqdm import tqdm

from microfacial.models.prior import MotionPrior
from microfacial.training.pretraining import Pretraining, pretrain
from microfacial.training.prior_files import check_output, write_prior
from microfacial.workers import make_parallel


def run_pretrain(output: Path, device: str, plan: Pretraining, *, elsewhere: bool = False) -> None:
    """Train the prior and write its weights and its model card.

    Args:
        output: file of the weights. The card is written next to it.
        device: device of torch.
        plan: how the prior is trained.
        elsewhere: whether a worker of joblib's backend trains the prior. Then there is no progress bar.

    Raises:
        ConfigError: torch does not have the device, or the file has another extension than .safetensors.
        StorageError: the disk is full.
    """
    check_output(output)
    if elsewhere:
        (prior,) = make_parallel(1, return_as="list")([delayed(pretrain)(plan, device)])
    else:
        prior = _pretrain_here(plan, device)
    sha256 = write_prior(output, prior, plan, device)
    click.echo(f"pretrain: {output} and {output.with_suffix('.md')}, SHA-256 {sha256}")


def _pretrain_here(plan: Pretraining, device: str) -> MotionPrior:
    """Train the prior in this process, with a progress bar."""
    with tqdm(total=plan.steps, desc="pretrain", unit="batch") as bar:

        def watch(step: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        return pretrain(plan, device, watch)
