"""Shared fixtures."""

import os
from pathlib import Path

import pytest

from paddle_electra.runtime import prepare_environment

prepare_environment()


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
