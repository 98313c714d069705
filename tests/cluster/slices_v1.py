# SPDX-License-Identifier: BSD-3-Clause
"""discovery.k8s.io/v1 beside a Kubernetes that has v1beta1 alone: an aggregated API server, which
the real one asks as an APIService says.

Its EndpointSlices are those of v1beta1, with what 1.20 leaves out: pods that are being deleted stay
in, `terminating`, and `serving` as long as they are ready. Lists, and watches with bookmarks; a
version that it does not know any more is answered 410.
"""

import base64
import contextlib
import json
import ssl
import threading
import time
import urllib.parse

import http_server
from control import ApiError
from topology import LabError, wait_until

PORT = 7443
NAMESPACE, SERVICE = "kube-system", "slices"
BETA = "/apis/discovery.k8s.io/v1beta1/endpointslices"
API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = "v1.discovery.k8s.io"
PAUSE_S = 0.1
BOOKMARK_S = 1.0


def condition(pod, kind):
    return any(row["type"] == kind and row["status"] == "True"
               for row in pod["status"].get("conditions", ()))


def key_of(thing):
    return thing["metadata"]["namespace"], thing["metadata"]["name"]


def upgraded(piece, service, pods):
    """A slice of v1beta1 as one of v1. pods: those of the Service, by name."""
    said = piece.get("endpoints") or []
    rows = [{**{key: row[key] for key in ("addresses", "targetRef", "hostname") if key in row},
             "nodeName": row.get("topology", {}).get("kubernetes.io/hostname"),
             "conditions": {"ready": row.get("conditions", {}).get("ready", True),
                            "serving": row.get("conditions", {}).get("ready", True),
                            "terminating": False}}
            for row in said]
    there = {row.get("targetRef", {}).get("name") for row in said}
    for name, pod in sorted(pods.items()):
        if name in there or "deletionTimestamp" not in pod["metadata"]:
            continue
        rows.append({
            "addresses": [pod["status"]["podIP"]], "nodeName": pod["spec"].get("nodeName"),
            "targetRef": {"kind": "Pod", "namespace": service["metadata"]["namespace"], "name": name},
            "conditions": {"ready": False, "terminating": True,
                           "serving": pod["status"].get("phase") == "Running"
                           and condition(pod, "Ready")}})
    meta = {key: value for key, value in piece["metadata"].items()
            if key not in ("managedFields", "resourceVersion")}
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta,
            "addressType": piece["addressType"], "ports": piece.get("ports") or [], "endpoints": rows}


class SlicesV1:
    """with SlicesV1(control_plane) as v1: ... serves, is registered, and goes away again."""

    def __init__(self, api):
        self.api = api
        self.changed = threading.Condition()
        self.slices, self.events, self.known = {}, [], {}
        self.version = self.oldest = int(time.time())  # beyond that of one that was here before
        self.requests, self.ending = [], threading.Event()
        self.followed = threading.Event()  # else the first list may be empty, and believed
        self.server, self.threads = None, []

    def __enter__(self):
        self.api.certificate("slices", f"DNS:{SERVICE}.{NAMESPACE}.svc")
        self.threads = [threading.Thread(target=self._follow, daemon=True)]
        self.threads[0].start()
        assert self.followed.wait(30), "the slices of v1beta1 were not read"
        self.up()
        self.register()
        return self

    def __exit__(self, *_):
        self.unregister()
        self.down()
        self.ending.set()
        self.threads[0].join(20)

    # How the real one knows

    def register(self):
        namespace = f"/api/v1/namespaces/{NAMESPACE}"
        self.api.create(f"{namespace}/services", {
            "metadata": {"name": SERVICE}, "spec": {"ports": [{"port": 443, "targetPort": PORT}]}})
        self.api.create(f"{namespace}/endpoints", {
            "metadata": {"name": SERVICE}, "subsets": [{
                "addresses": [{"ip": self.api.address}], "ports": [{"port": PORT}]}]})
        ca = base64.b64encode((self.api.dir / "ca.crt").read_bytes()).decode()
        self.api.create(API_SERVICE, {
            "metadata": {"name": NAME}, "spec": {
                "group": "discovery.k8s.io", "version": "v1", "caBundle": ca,
                "service": {"namespace": NAMESPACE, "name": SERVICE},
                "groupPriorityMinimum": 17200, "versionPriority": 15}})
        self.wait_available(True)

    def unregister(self):
        for path in (f"{API_SERVICE}/{NAME}", f"/api/v1/namespaces/{NAMESPACE}/endpoints/{SERVICE}",
                     f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}"):
            with contextlib.suppress(ApiError):
                self.api.delete(path)

    def status(self):
        """What who asks for v1 is answered: 200, 404 ..."""
        try:
            self.api.get("/apis/discovery.k8s.io/v1/endpointslices?limit=1")
        except ApiError as error:
            return error.code
        return 200

    def wait_available(self, yes):
        def as_wanted():
            rows = self.api.get(f"{API_SERVICE}/{NAME}").get("status", {}).get("conditions", ())
            return any(row["type"] == "Available" and (row["status"] == "True") == yes for row in rows)
        wait_until(as_wanted, f"available: {yes}", 60)

    # What it serves

    def _follow(self):
        while not self.ending.wait(PAUSE_S):
            with contextlib.suppress(OSError, ApiError):
                self._take(self.api.get(BETA)["items"], self.api.get("/api/v1/pods")["items"],
                           self.api.get("/api/v1/services")["items"])
                self.followed.set()

    def _take(self, pieces, pods, services):
        by_name = {(row["metadata"]["namespace"], row["metadata"]["name"]): row for row in services}
        now = {}
        # A slice whose last pods are ending has lost its ports in v1beta1, or is gone.
        pieces = {key_of(piece): piece for piece in pieces}
        for key, piece in pieces.items():
            piece["ports"] = piece.get("ports") or self.known.get(key, {}).get("ports")
        ended = {key: {**piece, "endpoints": []} for key, piece in self.known.items()
                 if key not in pieces}
        self.known = {**self.known, **pieces}
        for key, piece in {**pieces, **ended}.items():
            namespace = key[0]
            service = by_name.get((namespace, piece["metadata"].get("labels", {}).get(
                "kubernetes.io/service-name")))
            if service is None:
                continue
            selector = service["spec"].get("selector") or {}
            its = {pod["metadata"]["name"]: pod for pod in pods
                   if selector and pod["metadata"]["namespace"] == namespace
                   and pod["status"].get("podIP")
                   and selector.items() <= pod["metadata"].get("labels", {}).items()}
            thing = upgraded(piece, service, its)
            if key in pieces or thing["endpoints"]:
                now[key] = thing
        with self.changed:
            for key in sorted(self.slices.keys() | now.keys()):
                old, new = self.slices.get(key), now.get(key)
                if new and old and {**old["metadata"], "resourceVersion": None} == {
                        **new["metadata"], "resourceVersion": None} and all(
                        old[part] == new[part] for part in ("endpoints", "ports")):
                    continue
                self.version += 1
                thing = new or old
                thing = {**thing, "metadata": {**thing["metadata"],
                                               "resourceVersion": str(self.version)}}
                kind = "DELETED" if not new else "MODIFIED" if old else "ADDED"
                self.events.append((self.version, kind, thing))
                if new:
                    self.slices[key] = thing
                else:
                    del self.slices[key]
            self.changed.notify_all()

    def compact(self):
        """What happened until now is forgotten."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.events.clear()
            self.changed.notify_all()

    # The server

    def up(self):
        v1 = self

        class Handler(Answers):
            pass

        Handler.v1 = v1
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.api.dir / "slices.crt", self.api.dir / "slices.key")
        # Nobody but the real one asks: it says on whose behalf.
        context.load_verify_locations(self.api.dir / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = http_server.serve_on(self.api.machine.socket(), (self.api.address, PORT), Handler,
                                           context)

    def down(self):
        server, self.server = self.server, None
        if not server:
            return
        server.end()
        with self.changed:
            self.changed.notify_all()

    @contextlib.contextmanager
    def then_asked(self, watch=True):
        """After the block is waited for one request more than before. It may be the second that is
        tried: a busy machine lets the first have no answer in time."""
        before, seen = len(self.asked(watch=watch)), len(self.requests)
        yield
        try:
            wait_until(lambda: len(self.asked(watch=watch)) > before, "v1 asked", 100)
        except LabError as error:
            raise AssertionError(f"{error}; now {self.status()}; {self.requests[seen:]}") from None

    def asked(self, agent="sluice/", watch=True, namespace="default"):
        """Requests of that client for what is in that namespace: (user, path). Each namespace is
        followed by itself, and finds the version by itself."""
        return [(user, path) for client, user, path in self.requests
                if client.startswith(agent) and ("watch=1" in path) == watch
                and f"/namespaces/{namespace}/" in path]


class Answers(http_server.Handler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message):
        self.answer(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure",
                             "message": message, "code": status})

    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.v1.requests.append((self.headers.get("User-Agent") or "",
                                 self.headers.get("X-Remote-User"), self.path))
        words, query = path.strip("/").split("/")[1:], dict(urllib.parse.parse_qsl(query))
        if words == ["discovery.k8s.io", "v1"]:
            # Neither created nor deleted here, so the garbage collector leaves it alone.
            return self.answer(200, {
                "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": "discovery.k8s.io/v1", "resources": [{
                    "name": "endpointslices", "singularName": "", "namespaced": True,
                    "kind": "EndpointSlice", "verbs": ["list", "watch"]}]})
        namespace = words[3] if words[2:3] == ["namespaces"] else None
        if words[-1] != "endpointslices":
            return self.refuse(404, "the server could not find the requested resource")
        if query.get("watch"):
            return self.watch(namespace, query)
        return self.list(namespace, query)

    def list(self, namespace, query):
        with self.v1.changed:
            rows = [thing for key, thing in sorted(self.v1.slices.items())
                    if namespace in (None, key[0])]
            version = self.v1.version
        first, limit = int(query.get("continue") or 0), int(query.get("limit") or 0) or len(rows) or 1
        meta = {"resourceVersion": str(version)}
        if first + limit < len(rows):
            meta["continue"] = str(first + limit)
        return self.answer(200, {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
                                 "metadata": meta, "items": rows[first:first + limit]})

    def line(self, kind, thing):
        data = json.dumps({"type": kind, "object": thing}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def watch(self, namespace, query):
        v1, at = self.v1, int(query["resourceVersion"])
        ends = time.monotonic() + float(query.get("timeoutSeconds", 60))
        if at < v1.oldest:
            return self.refuse(410, "too old resource version")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        marked, server = time.monotonic(), v1.server
        while time.monotonic() < ends and v1.server is server:
            with v1.changed:
                new = [row for row in v1.events if row[0] > at]
                if not new:
                    v1.changed.wait(PAUSE_S)
                    new = [row for row in v1.events if row[0] > at]
                # Also after the wait: a bookmark of now would carry it over what was forgotten.
                if at < v1.oldest:
                    break
                seen = v1.version
            for version, kind, thing in new:
                if namespace in (None, thing["metadata"]["namespace"]):
                    self.line(kind, thing)
                at = version
            if not new and time.monotonic() - marked > BOOKMARK_S:
                marked, at = time.monotonic(), seen
                self.line("BOOKMARK", {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                                       "metadata": {"resourceVersion": str(at)}})
        self.wfile.write(b"0\r\n\r\n")
        return None
