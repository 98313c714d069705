# SPDX-License-Identifier: BSD-3-Clause
"""One pair of clusters for all tests of the folder: to start them takes longer than most tests."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in ("images/lab", "tests/e2e", "tests/cluster"):
    sys.path.insert(0, str(ROOT / folder))

from world import World  # noqa: E402


def pytest_sessionstart(session):
    if os.getuid() != 0:
        pytest.exit("the cluster tests make network namespaces and must be root", 2)


@pytest.fixture(scope="session")
def world():
    world = World()
    try:
        yield world.start()
    finally:
        world.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    world = item.funcargs.get("world")
    if report.failed and world:
        report.sections.append(("lab", world.lab.report()))
