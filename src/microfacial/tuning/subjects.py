"""Choose the subjects that a study tunes on."""

from collections.abc import Sequence

import numpy as np

from microfacial.errors import ConfigError, ProtocolError, suggest
from microfacial.evaluation.experiment import Data
from microfacial.evaluation.protocols import divide_subjects, find_held_out


def choose_tuning_subjects(data: Data, listed: Sequence[str]) -> tuple[str, ...]:
    """Return the subjects that a split study tunes on.

    These are the listed subjects. If none is listed, they are every second subject of each corpus in the order of their
    names or, under the protocol `holdout`, all subjects that are not held out.

    Args:
        data: the data set and the protocol.
        listed: `study.tuning_subjects` of params.yaml, such as casme2/sub03.

    Returns:
        Names of subjects.

    Raises:
        ConfigError: a listed subject does not exist or is held out, or no subject remains to score the settings on.
        ProtocolError: the protocol is `holdout`, and `train.holdout` is empty or names a subject that does not exist.
    """
    subjects = sorted({clip.person for clip in data.clips})
    unknown = [name for name in listed if name not in subjects]
    if unknown:
        raise ConfigError(
            f"params.yaml: study.tuning_subjects: no clip belongs to {', '.join(unknown)}. "
            f"Subjects are named <corpus>/<subject>, such as {subjects[0]}. clips.csv lists them"
            f"{suggest(unknown[0], subjects)}"
        )
    held_out = find_held_out(subjects, data.protocol) if data.protocol.protocol == "holdout" else frozenset()
    tested = sorted(held_out & set(listed))
    if tested:
        raise ConfigError(
            f"params.yaml: study.tuning_subjects: {', '.join(tested)} is in train.holdout, so settings must not be "
            "tuned on it. List other subjects, or leave the list empty to tune on all subjects that are not held out"
        )
    if listed:
        chosen = sorted(set(listed))
    elif held_out:
        chosen = sorted(set(subjects) - held_out)
    else:
        corpora = sorted({clip.corpus for clip in data.clips})
        by_corpus = [[name for name in subjects if name.rpartition("/")[0] == corpus] for corpus in corpora]
        chosen = [name for names in by_corpus for name in names[::2]]
    if len(chosen) == len(subjects):
        raise ConfigError(
            f"params.yaml: study.tuning_subjects contains all {len(subjects)} subjects, so none remains to score the "
            "settings on. List fewer subjects"
        )
    return tuple(chosen)


def divide_into_outer_groups(data: Data, groups: int, seed: int) -> list[tuple[str, ...]]:
    """Divide all subjects into the outer groups of a nested study, each with about the same mixture of classes.

    Each group is predicted with settings that were tuned on the other groups.

    Args:
        data: the data set and the protocol.
        groups: number of groups.
        seed: seed of the division.

    Returns:
        Names of the subjects of each group.

    Raises:
        ProtocolError: the protocol does not test every subject by itself.
        ConfigError: there are fewer subjects than groups.
    """
    if data.protocol.protocol not in ("loso", "composite"):
        raise ProtocolError(
            f"study.mode nested predicts every subject, and train.protocol {data.protocol.protocol} does not. "
            "Set train.protocol to loso or composite"
        )
    subjects = np.array([clip.person for clip in data.clips])
    labels = np.array([clip.label for clip in data.clips])
    if groups > len(np.unique(subjects)):
        raise ConfigError(
            f"params.yaml: study.outer_groups {groups}: there are only {len(np.unique(subjects))} subjects. "
            "Set a smaller number"
        )
    group = divide_subjects(np.unique(labels, return_inverse=True)[1], subjects, groups, seed)
    return [tuple(np.unique(subjects[group == number]).tolist()) for number in np.unique(group)]
