"""The shared fixtures are in shared_fixtures.py, because their imports take seconds."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, except in the process of pytest-xdist that runs no tests and only distributes them."""
    distributes = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if not distributes:
        config.pluginmanager.import_plugin("shared_fixtures")
