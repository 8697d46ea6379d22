"""Messages about a database of studies that cannot be opened or that fails."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from microfacial.errors import hide_password
from microfacial.tuning.settings import DATABASE_DRIVERS

_WHERE = "params.yaml: study.storage"


def describe_unopened(url: str, path: Path | None, error: Exception) -> str:
    """Return one line about a database that cannot be opened. A password in its URL is not shown.

    Args:
        url: URL of the database.
        path: file of the database in the project; None for a database elsewhere.
        error: reason for which it cannot be opened.
    """
    reason = hide_password(str(error.__cause__ or error).strip().partition("\n")[0])
    if path is not None:
        return f"{path} cannot be used ({reason}). Restore a copy, or move it to another place"
    absent = next((fault for fault in (error.__cause__, error) if isinstance(fault, ImportError)), None)
    if absent is not None:
        module = absent.name or ""
        return f"{_WHERE} needs a package ({reason}). Run `pip install '{DATABASE_DRIVERS.get(module, module)}'`"
    try:
        make_url(url)
    except ArgumentError:
        return (
            f"{_WHERE}: {url.rpartition('@')[2]!r} is not a URL. Set journal, sqlite or a URL such as "
            "postgresql://host/database"
        )
    return f"{_WHERE}: {hide_password(url)} cannot be opened ({reason}). Start the database, or correct the URL"


def describe_fault(url: str, error: Exception, event: str) -> str:
    """Return the start of a line about a database that fails after it was opened.

    Args:
        url: URL of the database, or path of the journal.
        error: reason of the fault.
        event: what happened, such as `failed`.
    """
    reason = " ".join(hide_password(str(error)).split())
    return f"{_WHERE}: {hide_password(url)} {event} ({reason})"
