# SPDX-License-Identifier: BSD-3-Clause
"""How an API server that refuses is asked again: later each time, not in step, and when it said."""

import time

import pytest
from test_kube import apply_service, klab, live, problems, wait_problem  # noqa: F401  (fixtures)
from topology import wait_until

LISTS = ("services", "nodes", "ingresses", "ingressclasses", "endpointslices")


class Refusing:
    """The fault of an API server, and when who was refused."""

    def __init__(self, status, headers=()):
        self.answer, self.times = (status, headers, "no"), {}

    def __call__(self, method, path, query):
        if path == "/version":
            return None
        self.times.setdefault(path.rsplit("/", 1)[1], []).append(time.monotonic())
        return self.answer

    def asked(self, count):
        return all(len(self.times.get(plural, ())) >= count for plural in LISTS)

    def gaps(self):
        """plural -> seconds from one request to the next."""
        return {plural: [after - before for before, after in zip(times, times[1:], strict=False)]
                for plural, times in self.times.items() if plural in LISTS}


@pytest.fixture
def refusing(live):  # noqa: F811
    def begin(*words):
        live.api.fault = Refusing(*words)
        live.api.compact()  # what is watched ends, and the connections stay
        return live.api.fault
    return begin


def test_later_each_time_and_not_in_step(live, refusing):  # noqa: F811
    fault = refusing(500)
    wait_until(lambda: fault.asked(7), "seven requests of each", 60)
    gaps = fault.gaps()
    for rows in gaps.values():
        # 0.25 s and twice as much each time, of which at least half.
        for i, gap in enumerate(rows[1:6], start=1):
            assert gap >= 0.124 * 2 ** i, gaps
    fifth = [rows[4] for rows in gaps.values()]
    assert max(fifth) - min(fifth) > 0.05, gaps


def test_not_before_it_said(live, refusing):  # noqa: F811
    fault = refusing(429, (("Retry-After", "3"),))
    wait_until(lambda: fault.asked(3), "three requests of each", 30)
    assert min(gap for rows in fault.gaps().values() for gap in rows) >= 2.9, fault.gaps()


@pytest.mark.parametrize("away", ["down", "refusing", "compacted"])
def test_what_is_back_as_it_was_changes_nothing(live, refusing, away):  # noqa: F811
    """Not a row of the dataplane's tables is sent anew."""
    vip = apply_service(live, f"calm-{away}")
    live.wait_in_force()

    def generation():
        return live.box.show("status")["dataplane"]["generation"]
    before = generation()
    asked = {plural: len(live.api.asked(plural, watch=True)) for plural in LISTS}
    if away == "down":
        live.api.down()
        wait_problem(live, "no connection")
        live.api.up()
    elif away == "refusing":
        refusing(503)
        wait_problem(live, "answered 503")
        live.api.fault = None
    else:
        live.api.compact()
        live.api.break_off()
    wait_until(lambda: all(len(live.api.asked(plural, watch=True)) > count
                           for plural, count in asked.items()), "all watched again", 40)
    wait_until(lambda: not problems(live, "cluster prod"), "no alarm", 30)
    live.wait_in_force()
    assert generation() == before
    assert live.connect_once(vip, 7000)
