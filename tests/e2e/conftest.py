# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the end-to-end tests: labs that are always taken down, and told of when a test fails."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "images" / "lab"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402


# Files whose tests together take more than three seconds, but for the plainest of all, test_balance
# (`pytest --durations=0` says): so that --quick is done in two minutes.
SLOW = {
    "announce_l2", "aside", "backup", "bgp", "capture_drops", "channel", "configure", "dashboard",
    "drain", "explain", "goes_on", "handover", "health", "host", "ingress_backend_tls", "ingress_sni",
    "kube", "kube_again", "kube_h2", "kube_slices", "kube_told", "lab", "limits", "log", "malformed",
    "openapi", "packets", "pair", "pair_leases", "ports", "proxy_backend_tls", "proxy_choice",
    "proxy_rolling", "proxy_tls", "registry", "secrets", "syn_flood", "tls_layer", "tls_staple",
    "trace", "transfers", "upgrade",
}


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not in --quick, unless it is asked for by name")
    config.addinivalue_line("markers", "sanitized: also run with the sanitizers' build")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_sessionstart(session):
    if os.getuid() != 0:
        pytest.exit("the end-to-end tests make network namespaces and must be root", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for value in item.funcargs.values():
            for lab in value.labs if isinstance(value, LabMaker) else [value]:
                if isinstance(lab, harness.Lab):
                    report.sections.append(("lab", lab.report()))


class LabMaker:
    """Makes labs for one test or module and takes them down after it."""

    def __init__(self):
        self.labs = []

    def __call__(self, **options):
        lab = harness.Lab.__new__(harness.Lab)
        self.labs.append(lab)
        lab.__init__(**options)
        return lab

    def close(self):
        errors = []
        for lab in self.labs:
            try:
                lab.close()
            except Exception as error:  # the others are taken down, too
                errors.append(error)
        if errors:
            raise errors[0]


def _maker():
    maker = LabMaker()
    try:
        yield maker
    finally:
        maker.close()


@pytest.fixture
def make_lab():
    """A lab of the test's own: make_lab(pods=..., settings=...)."""
    yield from _maker()


@pytest.fixture(scope="module")
def make_module_lab():
    yield from _maker()


@pytest.fixture(scope="module")
def lab(make_module_lab):
    """A plain lab, shared by the tests of a file; each uses Services of its own."""
    return make_module_lab()
