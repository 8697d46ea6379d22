"""The shared fixtures are in shared_fixtures.py, because their imports take seconds."""

import pytest
from joblib import cpu_count


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run three slow tests on two cores, because these tests also wait for programs that they start."""
    return 3 * int(cpu_count()) // 2 if config.option.markexpr == "slow" else None


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Load the fixtures, except in the process of pytest-xdist that runs no tests and only distributes them.

    In the processes of pytest-xdist, pytest-cov starts to measure when the session starts. What is imported before
    that counts as never run.
    """
    config = session.config
    distributes = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if not distributes:
        config.pluginmanager.import_plugin("shared_fixtures")
