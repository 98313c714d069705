# SPDX-License-Identifier: BSD-3-Clause
"""The same changes by way of API servers: two scripted ones, over TLS, with lists in pages, watches
and status to be written. They run in the benchmark's own process, which keeps to the CPU that the
control plane does not have; an event is the moment at which a server has sent it.
"""

import base64
import gc
import json
import os
import resource
import sys
import time

import sync
from machines import ROOT

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import kube_api  # noqa: E402

FIRST_PORT = 6443


def things(text):
    """The objects of a file of manifests, as an API server has them."""
    for part in text.split("---\n"):
        if not part.strip() or part.startswith("#"):
            continue
        thing = json.loads(part)
        thing["metadata"].setdefault("namespace", "default")
        for key, value in thing.pop("stringData", {}).items():
            thing.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
        yield thing


class KubeClusters(sync.Clusters):
    def __init__(self, *args):
        self.files, self.apis = {}, None
        gc.disable()  # the servers' garbage is no part of what is measured
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection of each Secret
        super().__init__(*args)

    def sources(self):
        self.apis = []
        for i, name in enumerate(sync.CLUSTERS):
            api = kube_api.FakeApi(self.machine.socket, self.dir / name, port=FIRST_PORT + i)
            for (cluster, _), objects in self.files.items():
                if cluster == i:
                    api.apply(*objects.values())
            api.events.clear()
            api.bookmarks = 20.0
            self.apis.append(api)
        return [{"name": name, "kind": "kube", "path": str(api.kubeconfig())}
                for name, api in zip(sync.CLUSTERS, self.apis)]

    def replace(self, number, name, text):
        """A file that is replaced: what it has is made, what it had and has no more is deleted."""
        cluster = self.cluster(number)
        before = self.files.get((cluster, name), {})
        now = {(thing["kind"], thing["metadata"]["name"]): thing for thing in things(text)}
        self.files[cluster, name] = now
        if not self.apis:
            return
        api = self.apis[cluster]
        self.asked, self.changed = time.monotonic(), api
        api.apply(*(thing for key, thing in now.items() if before.get(key) != thing))
        for kind, gone in before.keys() - now.keys():
            api.delete(kube_api.KINDS[kind], gone)

    @property
    def event(self):
        return max(self.asked, self.changed.told)

    def settle(self):
        """Until every status is written, too."""
        before = None
        while before != (now := (super().settle(), *(len(api.writes) for api in self.apis))):
            before = now
            time.sleep(1)
        for api in self.apis:  # all have had them
            api.events.clear()
            api.requests.clear()
        return now[0]

    def close(self):
        for api in self.apis or ():
            api.down()
        super().close()
        gc.enable()
        os.sched_setaffinity(0, range(os.cpu_count()))
