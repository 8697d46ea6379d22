"""Command `pretrain`: train the motion prior on drawn motion."""

from pathlib import Path

import click
from tqdm import tqdm

from microfacial.preprocessing.devices import find_device
from microfacial.training.pretraining import Pretraining, pretrain
from microfacial.training.prior_files import check_output, write_prior


def run_pretrain(output: Path, device: str, plan: Pretraining) -> None:
    """Train the prior and write its weights and its model card.

    Args:
        output: file of the weights. The card is written next to it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        plan: how the prior is trained.

    Raises:
        ConfigError: this machine does not have the device, or the file has another extension than .safetensors.
        StorageError: the disk is full.
    """
    check_output(output)
    device = find_device(device, "--device")
    with tqdm(total=plan.steps, desc="pretrain", unit="batch") as bar:

        def watch(step: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        prior = pretrain(plan, device, watch)
    sha256 = write_prior(output, prior, plan, device)
    click.echo(f"pretrain: {output} and {output.with_suffix('.md')}, SHA-256 {sha256}")
