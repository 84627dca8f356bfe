"""Shared fixtures."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from good_things import made, run_folder  # noqa: F401  (fixtures)

from paddle_electra.runtime import prepare_environment

prepare_environment()
# Nothing of a test may lie in, or come from, the user's cache.
os.environ["PADDLE_ELECTRA_CACHE"] = ""
os.environ.pop("PADDLE_ELECTRA_PRECISION", None)
os.environ["PADDLE_ELECTRA_ENGINE"] = "eager"  # a graph for every model takes seconds


def pytest_collection_modifyitems(items):
    """Tests marked ``bench`` need the other frameworks; without them they are skipped."""
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        reason = f"install the extra `bench`: {' and '.join(missing)} not installed"
        for item in items:
            if "bench" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def reference():
    """The folder of recordings and data named by ELECTRA_REFERENCE; without it, skip."""
    folder = os.environ.get("ELECTRA_REFERENCE")
    if not folder:
        pytest.skip("set ELECTRA_REFERENCE to the folder of recordings to run reference tests")
    path = Path(folder)
    if not (path / "oracle").is_dir():
        pytest.fail(f"ELECTRA_REFERENCE={folder} has no folder 'oracle'")
    return path


@pytest.fixture(scope="session")
def oracle(reference):
    """The recordings of the original code."""
    return reference / "oracle"


@pytest.fixture(scope="module")
def browser():
    """A running Chromium."""
    import chromium  # selenium is not for every test process

    running = chromium.start()
    yield running
    running.quit()
