"""Optional parts of the package: which extra installs which modules, and the message if one of them is missing.

Modules of the optional parts import their libraries at the top. Commands import these modules when they run. So a
missing library is found when a command needs it, and one function turns the failure into one line.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from types import MappingProxyType

from microfacial.errors import MissingExtraError

EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "mlflow": "tracking",
        "alembic": "tracking",
        "requests": "tracking",
        "sqlalchemy": "tracking",
        "dvc": "pipeline",
        "optuna": "tuning",
        "optuna_dashboard": "tuning",
        "fastapi": "serve",
        "pebble": "serve",
        "python_multipart": "serve",
        "starlette": "serve",
        "uvicorn": "serve",
        "dask": "cluster",
        "dask_jobqueue": "cluster",
        "distributed": "cluster",
        "cryptography": "cluster",
        "psycopg": "team",
        "dvc_s3": "team",
    }
)
"""The extra that installs a module, by the name of the module."""


@contextmanager
def explain_missing_extras() -> Iterator[None]:
    """Translate the failed import of a module of an extra. Other failed imports pass unchanged.

    Raises:
        MissingExtraError: a module of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        raise MissingExtraError(_describe([module])) from None


def require_extras(*modules: str) -> None:
    """Check that modules of extras are installed, before work starts that needs them later or in another process.

    Args:
        modules: names of modules, keys of `EXTRAS`.

    Raises:
        MissingExtraError: some are not installed. The message names all of their extras.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(_describe(missing))


def _describe(modules: Collection[str]) -> str:
    extras = sorted({EXTRAS[module] for module in modules})
    verb = "is" if len(modules) == 1 else "are"
    return f'{" and ".join(modules)} {verb} not installed. Run `pip install "microfacial[{",".join(extras)}]"`'
