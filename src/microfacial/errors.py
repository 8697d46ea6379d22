"""The errors a user can cause or repair. Each message says what is wrong, where, and what to do.

The command line turns any of them into one line and exit code 2.
"""


class MicrofacialError(Exception):
    """Base of all errors that are reported to the user without a traceback."""


class ConfigError(MicrofacialError):
    """A key, type or bound in params.yaml is wrong."""


class DatasetError(MicrofacialError):
    """Annotations and frames on disk are missing, unreadable or contradict each other."""


class AbsentError(DatasetError):
    """There is no release of the corpus in the folder where it was looked for."""


class NoFaceError(DatasetError):
    """A clip shows no face that could be found, and its frames have no template."""


class ProtocolError(MicrofacialError):
    """The data cannot be evaluated by the protocol that was asked for."""


class StorageError(MicrofacialError):
    """A file that an earlier stage should have written is missing or damaged."""


class PipelineError(MicrofacialError):
    """A tool around the pipeline (DVC, MLflow, the file system) is not in the state it needs."""
