# SPDX-License-Identifier: BSD-3-Clause
"""Both boxes of a pair give a Service of a cluster the same address, and none to two Services."""

import contextlib
import signal
import threading

import boxes
import harness
import kube_api
import objects
import pytest
import second
from topology import wait_until

COUNT = 12


def names(first, count=COUNT):
    return [f"s{number}" for number in range(first, first + count)]


@pytest.fixture
def pair(make_lab):
    lab = make_lab(start=False)
    api = kube_api.FakeApi(lab.net.box.socket, lab.net.dir)
    api.apply(*lab.node_objects())
    kubeconfig = str(api.kubeconfig())

    def settings(number, wanted):
        wanted["pair"] = {"interface": "wan", "peer": harness.wan(2 - number), "interval_ms": 100}
        wanted["sources"] = [{"name": "prod", "kind": "kube", "path": kubeconfig, "watch_s": 5}]

    both = boxes.Boxes(lab, settings)
    both.api = api
    other = api.also_on(both[1].machine.socket)
    yield both
    both.stop()
    api.down()
    other.shutdown()
    other.server_close()


def apply_all(both, wanted):
    both.api.apply(*(objects.service(name, [("echo", "TCP", 7000, 9000)]) for name in wanted))


def said(both, name):
    rows = both.api.get("services", name).get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return rows[0]["ip"] if rows else None


def given(both, number):
    """Name of the Service -> address, as a box has them."""
    return {service.rpartition("/")[2]: row["address"]
            for row in both[number].show("vips")["vips"] for service in row["services"]}


def agreed(both, wanted, numbers=(0, 1)):
    told = {name: said(both, name) for name in wanted}
    return told if None not in told.values() and all(given(both, n) == told for n in numbers) else None


def wait_agreed(both, wanted, numbers=(0, 1)):
    told = wait_until(lambda: agreed(both, wanted, numbers), "one address for each Service", 30)
    assert len(set(told.values())) == len(told)
    return told


def cut(both):
    """The boxes hear nothing of each other; both are masters then."""
    for number, box in enumerate(both.boxes):
        box.machine.ip(f"route add blackhole {harness.wan(2 - number)}")


def owners(both, address):
    return [number for number in (0, 1) if both.state(number, address) == "owned"]


class TestLeases:
    def test_who_joins_takes_what_the_other_has_given(self, pair):
        apply_all(pair, names(0))
        pair[0].start_all()
        before = wait_agreed(pair, names(0), (0,))
        for name in names(0, 4):  # gone, and the addresses given to others
            pair.api.delete("services", name)
        apply_all(pair, [*names(20), *names(4, 8)])
        after = wait_agreed(pair, [*names(4, 8), *names(20)], (0,))
        assert all(after[name] == before[name] for name in names(4, 8))
        pair[1].start_all()
        assert wait_agreed(pair, [*names(4, 8), *names(20)]) == after

    def test_both_take_what_comes_in_any_order(self, pair):
        pair.start()
        threads = [threading.Thread(target=apply_all, args=(pair, names(first))) for first in (0, 20, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_agreed(pair, [*names(0), *names(20), *names(40)])

    def test_the_other_gives_when_the_master_does_not(self, pair):
        pair.start()
        apply_all(pair, names(0, 1))
        address = wait_agreed(pair, names(0, 1))["s0"]
        first = second.settled(lambda: pair.owner(address), "one owner")
        pair[first].kill("sluice-controlplane", signal.SIGKILL)
        apply_all(pair, names(1))
        told = wait_agreed(pair, names(0, COUNT + 1), (1 - first,))
        pair[first].start("sluice-controlplane")
        pair[first].wait_answers()
        assert wait_agreed(pair, names(0, COUNT + 1)) == told

    def test_nothing_is_given_twice_when_they_do_not_hear_each_other(self, pair):
        pair.start()
        apply_all(pair, names(0, 1))
        address = wait_agreed(pair, names(0, 1))["s0"]
        second.settled(lambda: pair.owner(address), "one owner")
        cut(pair)
        wait_until(lambda: owners(pair, address) == [0, 1], "both masters", 20)
        seen, stop = {}, threading.Event()

        def look():
            while not stop.is_set():
                for number in (0, 1):
                    with contextlib.suppress(Exception):
                        for name, vip in given(pair, number).items():
                            seen.setdefault(vip, set()).add(name)

        looking = threading.Thread(target=look)
        looking.start()
        try:
            apply_all(pair, names(1))
            wait_agreed(pair, names(0, COUNT + 1))
        finally:
            stop.set()
            looking.join()
        assert seen and all(len(services) == 1 for services in seen.values()), seen
