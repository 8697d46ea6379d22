"""Errors that a user can cause or repair. Each message says what is wrong, where, and what to do.

The command line prints such an error as one line and ends with exit code 2.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from unicodedata import category


class MicrofacialError(Exception):
    """Base class of all errors that are shown to the user without a traceback."""


class ConfigError(MicrofacialError):
    """A key, type or bound in params.yaml is wrong."""


class DatasetError(MicrofacialError):
    """Annotations or frames on disk are missing, unreadable or contradictory."""


class AbsentError(DatasetError):
    """A folder does not contain a release of the corpus."""


class NoFaceError(DatasetError):
    """No face is found in a clip, and there is no template for its frames."""


class TooLargeError(DatasetError):
    """A frame or a film exceeds a limit of its size or length."""


class ProtocolError(MicrofacialError):
    """The data cannot be evaluated with the chosen protocol."""


class StorageError(MicrofacialError):
    """A file from an earlier stage is missing or damaged."""


class PipelineError(MicrofacialError):
    """DVC, MLflow, git or the file system is not in the required state."""


class OutputError(MicrofacialError):
    """Standard output cannot be written."""


class MissingExtraError(MicrofacialError):
    """A package of an optional extra is not installed."""


class RequestError(MicrofacialError):
    """A request to the server is refused.

    Attributes:
        status: status code of the answer, as HTTP defines it.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class DamagedError(ValueError):
    """The content of a file is not valid. The message is the reason, without the name of the file.

    The function that opened the file catches it and raises a `MicrofacialError` with the file and a remedy.
    """


@contextmanager
def name_in_errors(path: object) -> Iterator[None]:
    """Put the name of a film in front of the messages that do not contain it.

    Args:
        path: the film that the body of the `with` statement reads.

    Raises:
        MicrofacialError: the error of the body, with its own type.
    """
    try:
        yield
    except MicrofacialError as error:
        if str(path) not in str(error):
            error.args = (f"{path}: {error}",)
        raise


@contextmanager
def faults_as_config_errors(failure: str) -> Iterator[None]:
    """Turn any error of a user's own code into a `ConfigError` of one line.

    Args:
        failure: what failed, the start of the message.

    Raises:
        MicrofacialError: the error of the body, or a `ConfigError` that it caused.
    """
    try:
        yield
    except MicrofacialError:
        raise
    except Exception as error:
        raise ConfigError(f"{failure}: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """Return the type and the message of an error of any library in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def hide_password(uri: str) -> str:
    """Return an address, or a text that contains addresses, without user names and passwords."""
    text = re.sub(r"//(?:[^/\s]*|[^/\s:@]*:(?!\d+/)\S*)@", "//", uri)
    return re.sub(r"([?&](?:password|passwd)=)[^&\s]*", r"\1***", text)


def suggest(name: object, known: Iterable[str]) -> str:
    """Return a question that names the most similar known name, for the end of a message about an unknown name.

    Args:
        name: the unknown name. Upper and lower case are not distinguished. Any other value than a text has no
            similar name.
        known: names that exist.

    Returns:
        Text such as `. Did you mean hybrid?`, which ends the sentence before it. Empty if no known name is similar.
    """
    if not isinstance(name, str):
        return ""
    originals = {candidate.lower(): candidate for candidate in known}
    similar = difflib.get_close_matches(name[:100].lower(), originals, n=1)
    return f". Did you mean {originals[similar[0]]}?" if similar else ""


def escape_controls(text: str) -> str:
    """Return text on one line, with escapes for characters that a terminal would obey or cannot show.

    Args:
        text: text that can contain names of files.
    """
    return "".join(
        letter if letter.isprintable() or category(letter) == "Zs" else letter.encode("unicode_escape").decode()
        for letter in text
    )
