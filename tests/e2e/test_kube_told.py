# SPDX-License-Identifier: BSD-3-Clause
"""Two clusters, of which one takes no status: the other's are told as ever, the one that takes none
is not hammered, and when it does again all that waited is told."""

import threading
import time

import kube_api
import objects
import pytest
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000)]
MANY = 200


@pytest.fixture(scope="module")
def told(make_module_lab):
    lab = make_module_lab(start=False)
    lab.apis, lab.box.settings["sources"] = {}, []
    lab.box.settings["pools"] = [{"name": "wide", "addresses": ["203.0.112.0/23"]}]
    for i, name in enumerate(("east", "west")):
        folder = lab.net.dir / name
        folder.mkdir()
        api = lab.apis[name] = kube_api.FakeApi(lab.net.box.socket, folder, port=6443 + i)
        api.apply(*lab.node_objects())
        lab.box.settings["sources"].append(
            {"name": name, "kind": "kube", "path": str(api.kubeconfig())})
    lab.box.write_settings()
    lab.box.start_all()
    yield lab
    for api in lab.apis.values():
        api.down()


def addresses(api):
    return {name: row["status"]["loadBalancer"]["ingress"][0]["ip"]
            for (_, name), row in list(api.objects["services"].items())
            if row.get("status", {}).get("loadBalancer", {}).get("ingress")}


class Fault:
    """Of writes alone. `hangs`: no answer, until it is lifted."""

    def __init__(self, status, hangs=False):
        self.status, self.count, self.lifted, self.hangs = status, 0, threading.Event(), hangs

    def __call__(self, method, path, query):
        if method != "PATCH" or self.lifted.is_set():
            return None
        self.count += 1
        if self.hangs:
            self.lifted.wait(60)
        return self.status, (), "{}"


@pytest.mark.parametrize("fault", [Fault(503), Fault(403), Fault(503, hangs=True)],
                         ids=["fails", "refuses", "hangs"])
def test_one_that_is_not_told_holds_up_nobody(told, fault):
    east, west = told.apis["east"], told.apis["west"]
    names = [f"{'hangs' if fault.hangs else fault.status}-{i}" for i in range(MANY)]
    east.fault = fault
    try:
        for name in names:
            east.apply(objects.service(name, PORTS))
        wait_until(lambda: fault.count, "east asked", 10)
        began = time.monotonic()
        for name in names:
            west.apply(objects.service(name, PORTS))
            wait_until(lambda name=name: name in addresses(west), f"{name} of west told", 2)
            if time.monotonic() - began > 8:
                break
        # West's own are told while east's wait; those of east at its own pace.
        seconds = time.monotonic() - began
        assert seconds < 9 and not set(names) & set(addresses(east))
        # 16 at first, and then one in two seconds where nobody answers, or 16 where it is refused.
        most = 17 + 16 + 8 * (seconds + 2) if fault.status == 403 else 17 + (seconds + 2) / 2
        assert fault.count <= (MANY if fault.status == 403 else 0) + most, fault.count
    finally:
        fault.lifted.set()
    wait_until(lambda: set(names) <= set(addresses(east)), "east told of all",
               MANY / 8 + 10 if fault.status == 403 else 10)
    assert len(set(addresses(east).values()) | set(addresses(west).values())) == len(
        addresses(east)) + len(addresses(west))
    for api in (east, west):
        for _, name in list(api.objects["services"]):
            api.delete("services", name)
    wait_until(lambda: not told.rows("vips"), "nothing left", 10)
