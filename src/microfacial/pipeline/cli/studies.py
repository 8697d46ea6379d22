"""Commands that compare models and search settings."""

import click

from microfacial.pipeline.cli.completion import ModelName
from microfacial.pipeline.cli.groups import RunByDefault
from microfacial.pipeline.cli.options import json_option, locked_project, open_checked_project, processes_option


@click.command("compare")
@click.argument("model", type=ModelName())
@click.argument("baseline", type=ModelName())
@json_option
def compare_command(model: str, baseline: str, as_json: bool) -> None:
    """Compare MODEL with BASELINE on the same clips. Both must be trained."""
    from microfacial.pipeline.commands.compare import run_compare

    run_compare(open_checked_project(), model, baseline, as_json=as_json)


@click.command("ablate")
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    show_default="train.repeats",
    help="Repetitions of the protocol, with the seeds train.seed, train.seed + 1, …",
)
@processes_option
def ablate_command(repeats: int | None, processes: int) -> None:
    """Measure the contribution of each part of the hybrid, and the cost of a misplaced apex."""
    from microfacial.pipeline.commands.ablate import run_ablate
    from microfacial.pipeline.task_backend import chosen_backend, read_run_config

    with locked_project() as project, chosen_backend(read_run_config(), processes):
        run_ablate(project, repeats, processes)


@click.group("study", cls=RunByDefault)
def study_group() -> None:
    """Search the settings of a model.

    `study MODEL` runs the search. `study apply MODEL` writes its best settings into params.yaml. `study show` lists the
    results.

    The section `study` of params.yaml configures the search.
    """


@study_group.command("run")
@click.argument("model", type=ModelName())
@click.option(
    "--workers", type=click.IntRange(1, 1024), show_default="study.workers", help="Processes that share the trials."
)
@click.option("--no-conclusion", is_flag=True, hidden=True, help="Run trials, but do not score the best settings.")
@click.option("--parent", type=int, hidden=True, help="Process that started this worker. The worker ends with it.")
@processes_option
def study_run_command(model: str, workers: int | None, no_conclusion: bool, parent: int | None, processes: int) -> None:
    """Search the settings of MODEL on a part of the subjects, then score the best settings on the other subjects.

    The word `run` is optional. A study that was killed continues when the command is repeated. Several terminals can
    run the command at once and share the trials.
    """
    from microfacial.pipeline.extras import require_extras

    require_extras("mlflow", "optuna")
    from microfacial.pipeline.commands.study import run_study
    from microfacial.workers import end_with_parent

    if parent is not None:
        end_with_parent(parent)
    run_study(open_checked_project(), model, workers, processes, conclude=not no_conclusion)


@study_group.command("apply")
@click.argument("model", required=False, type=ModelName())
@click.option("--force", is_flag=True, help="Apply even if the data has changed or no trial is better than trial 0.")
def study_apply_command(model: str | None, force: bool) -> None:
    """Write the best settings of the study that was started last into params.yaml. MODEL limits it to its studies."""
    from microfacial.pipeline.commands.study_apply import run_study_apply

    run_study_apply(open_checked_project(), model, force=force)


@study_group.command("show")
@click.argument("model", required=False, type=ModelName())
@json_option
def study_show_command(model: str | None, as_json: bool) -> None:
    """List the studies and their results. MODEL limits the list to its studies."""
    from microfacial.pipeline.commands.study_apply import show_studies

    show_studies(model, as_json=as_json)
