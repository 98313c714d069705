# SPDX-License-Identifier: BSD-3-Clause
"""`make(...)` is a box of the test's own; at the end of the test every packet buffer must be home."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import world  # noqa: E402


@pytest.fixture(scope="module")
def runner():
    runner = world.Runner()
    yield runner
    runner.close()


@pytest.fixture
def make(runner):
    yield lambda **settings: world.World(runner, **settings)
    assert runner.say("end") == {"lost": 0}


@pytest.fixture
def box(make):
    return make()


@pytest.fixture(params=[world.V4, world.V6], ids=str)
def family(request):
    return request.param
