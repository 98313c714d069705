# SPDX-License-Identifier: BSD-3-Clause
"""A scripted API server: lists in pages, watches with bookmarks, and what a real one does rarely.

It runs in threads of the test, behind a socket made on whatever machine the test names. Faults are
switched on by attributes; every request is kept in `requests`."""

import base64
import bisect
import contextlib
import json
import ssl
import subprocess
import threading
import time
import urllib.parse
from email.utils import formatdate

import http_server

PLURALS = {
    "services": ("v1", "Service"), "nodes": ("v1", "Node"), "secrets": ("v1", "Secret"),
    "events": ("v1", "Event"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "ingresses": ("networking.k8s.io/v1", "Ingress"),
    "ingressclasses": ("networking.k8s.io/v1", "IngressClass"),
}
KINDS = {kind: plural for plural, (_, kind) in PLURALS.items()}


def make_certificates(folder, name="ca"):
    """A CA that is also the server's certificate; the path of its PEM."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:api.test",
         "-addext", "basicConstraints=critical,CA:TRUE"],
        check=True, capture_output=True)
    return folder / f"{name}.pem"


def make_client_certificate(ca, name="client"):
    """Signed by the CA: the paths of certificate and key."""
    cert, key, request = (ca.with_name(f"{name}.{kind}") for kind in ("pem", "key", "csr"))
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", request, "-subj", f"/CN={name}"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey",
                    ca.with_suffix(".key"), "-CAcreateserial", "-days", "2", "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Proxy:
    """An HTTP proxy that knows CONNECT; where it was asked to go is kept."""

    def __init__(self, make_socket, port):
        self.asked, self.make_socket = [], make_socket
        self.listening = make_socket()
        self.listening.setsockopt(1, 2, 1)  # SO_REUSEADDR
        self.listening.bind(("127.0.0.1", port))
        self.listening.listen(16)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        with contextlib.suppress(OSError), near, self.make_socket() as far:
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096)
            target = head.split()[1].decode()
            self.asked.append(target)
            host, _, port = target.rpartition(":")
            far.connect((host, int(port)))
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
            back.start()
            self._pass(near, far)
            back.join()

    @staticmethod
    def _pass(here, there):
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
            there.shutdown(1)

    def close(self):
        self.listening.close()


def plain_http(make_socket, port):
    """Somebody who answers each connection as an HTTP server without TLS does."""
    listening = make_socket()
    listening.setsockopt(1, 2, 1)  # SO_REUSEADDR
    listening.bind(("127.0.0.1", port))
    listening.listen(4)

    def run():
        with contextlib.suppress(OSError):
            while True:
                with listening.accept()[0] as sock:
                    sock.recv(4096)
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    threading.Thread(target=run, daemon=True).start()
    return listening


def make_token(namespace, name, ends=0, number=0):
    """As a service account's is: three parts, of which we read the second."""
    claims = {"sub": f"system:serviceaccount:{namespace}:{name}", "jti": number}
    if ends:
        claims["exp"] = int(ends)
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
             for part in ({"alg": "none"}, claims)]
    return ".".join((*parts, "c2lnbmF0dXJl"))


class Watchers:
    """Who waits for what becomes of a kind, each with a condition of its own: an event wakes those
    alone whom it is for, however many there are."""

    def __init__(self, lock):
        self.lock, self.rows = lock, {}

    @contextlib.contextmanager
    def waiting(self, plural, name):
        condition = threading.Condition(self.lock)
        with self.lock:
            self.rows.setdefault((plural, name), []).append(condition)
        try:
            yield condition
        finally:
            with self.lock:
                self.rows[plural, name].remove(condition)

    def wake(self, *keys):
        for key in keys or list(self.rows):
            for condition in self.rows.get(key, ()):
                condition.notify()


class FakeApi:
    def __init__(self, make_socket, folder, token="a-token", port=6443):
        self.make_socket, self.folder, self.token, self.port = make_socket, folder, token, port
        self.ca = make_certificates(folder)
        self.lock = threading.RLock()
        self.watchers = Watchers(self.lock)
        self.objects = {plural: {} for plural in PLURALS}
        self.texts = {plural: {} for plural in PLURALS}  # the objects, as they are sent
        self.events = []  # (version, plural, type, object, its text)
        self.version, self.oldest = 1000, 0
        self.requests, self.writes = [], []
        self.fault = None         # a function of (method, path, query): (status, headers, text)
        self.kinds_missing = set()
        self.slice_versions = {"v1"}
        self.stall = False        # watches are taken and nothing comes
        self.endless = False
        self.bookmarks = 1.0
        self.told = 0.0           # when the last event was sent
        self.accounts = {}        # tokens of service accounts: whose
        self.token_life = 86400
        self.only_newest = False  # of an account's tokens all but the last are refused
        self.applied = {}         # by server-side apply: path -> text
        self.denied = set()       # (verb, resource) that nobody but the first token may
        self.allowed = lambda asked: True  # of a SelfSubjectAccessReview's resourceAttributes
        self.bearers = []
        self.skew = 0
        self.git_version = "v1.27.3-fake"
        self.server, self.connections = None, set()
        self.up()

    # Objects

    def apply(self, *things):
        with self.lock:
            for thing in things:
                plural = KINDS[thing["kind"]]
                metadata = thing["metadata"]
                key = metadata.get("namespace", ""), metadata["name"]
                self.version += 1
                old = self.objects[plural].get(key)
                thing = json.loads(json.dumps(thing))
                thing["metadata"].setdefault("creationTimestamp", "2024-05-01T10:00:00Z")
                thing["metadata"].setdefault("uid", f"uid-{plural}-{key[0]}-{key[1]}")
                thing["metadata"]["resourceVersion"] = str(self.version)
                if old and "status" in old:
                    thing.setdefault("status", old["status"])
                self._happened(key, "MODIFIED" if old else "ADDED", plural, thing)

    def _happened(self, key, what, plural, thing):
        text = json.dumps(thing)
        if what != "DELETED":
            self.objects[plural][key], self.texts[plural][key] = thing, text
        self.events.append((self.version, plural, what, thing, text))
        self.watchers.wake((plural, None), (plural, key[1]))

    def delete(self, plural, name, namespace="default"):
        with self.lock:
            self.version += 1
            thing = self.objects[plural].pop((namespace, name))
            del self.texts[plural][namespace, name]
            thing = json.loads(json.dumps(thing))
            thing["metadata"]["resourceVersion"] = str(self.version)
            self._happened((namespace, name), "DELETED", plural, thing)

    def get(self, plural, name, namespace="default"):
        with self.lock:
            return self.objects[plural][namespace, name]

    def compact(self):
        """What happened until now is forgotten: 410 for who asks for it."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self.events.clear()

    def restore(self, objects, version):
        """From a backup: other objects, and versions that go back."""
        with self.lock:
            self.objects = objects
            self.texts = {plural: {key: json.dumps(thing) for key, thing in rows.items()}
                          for plural, rows in objects.items()}
            self.version, self.oldest = version, 0
            self.events.clear()

    # The server

    def up(self):
        api = self

        class Handler(ApiHandler):
            pass

        Handler.api = api
        self.server = self._serve(Handler, self.make_socket())

    def also_on(self, make_socket):
        """The same server, on another machine too."""
        return self._serve(type("Handler", (ApiHandler,), {"api": self}), make_socket())

    def _serve(self, handler, sock):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, self.ca.with_suffix(".key"))
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        return http_server.serve_on(sock, ("127.0.0.1", self.port), handler, context, self.connections)

    def down(self):
        server, self.server = self.server, None
        if not server:
            return
        server.end()
        self.wake()

    def break_off(self):
        """Every connection ends in the middle of whatever it carries."""
        self.server.break_off()
        self.wake()

    def wake(self):
        with self.lock:
            self.watchers.wake()

    def kubeconfig(self, name="kubeconfig", **changes):
        """user=..., cluster=... replace what it would say. Its path."""
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": changes.get("cluster") or {
                "server": f"https://127.0.0.1:{self.port}",
                "certificate-authority": str(self.ca)}}],
            "users": [{"name": "fake", "user": changes.get("user") or {"token": self.token}}],
        }
        path = self.folder / name
        half = self.folder / f"{name}.half"
        half.write_text(json.dumps(config))
        half.rename(path)
        return path

    def asked(self, plural, watch=None):
        """The queries of requests for that kind: lists, watches, or both."""
        return [query for method, path, query in self.requests
                if method == "GET" and path.endswith("/" + plural)
                and (watch is None or ("watch" in query) == watch)]


class ApiHandler(http_server.Handler):
    timeout = 60

    def date_time_string(self, timestamp=None):
        return formatdate((timestamp or time.time()) + self.api.skew, usegmt=True)

    def answer(self, status, body, headers=(), torn=0):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message, headers=()):
        self.answer(status, {"kind": "Status", "status": "Failure", "message": message,
                             "code": status}, headers)

    def do(self):
        api = self.api
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        api.requests.append((self.command, path, query))
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not self.connection.getpeercert() and bearer != api.token and bearer not in api.accounts:
            return self.refuse(401, "Unauthorized")
        api.bearers.append(bearer)
        fault = api.fault and api.fault(self.command, path, query)
        if fault:
            status, headers, text = fault
            return self.answer(status, text, headers)
        if path == "/version":
            return self.answer(200, {"major": "1", "minor": "27", "gitVersion": api.git_version})
        if self.command == "DELETE":
            return self.answer(200 if api.applied.pop(path, None) else 404, {})
        if query.get("fieldManager"):
            api.applied[path] = body.decode()
            return self.answer(200, {})
        if path.endswith("/token"):
            return self.issue(path.split("/"))
        if path.endswith("/selfsubjectaccessreviews"):
            asked = json.loads(body)["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (asked["resource"], asked["subresource"])))
            return self.answer(201, {"status": {
                "allowed": (asked["verb"], resource) not in api.denied and api.allowed(asked)}})
        parts = path.strip("/").split("/")
        group = parts[2:] if parts[0] == "apis" else parts[1:]
        version = "/".join(parts[1:3]) if parts[0] == "apis" else "v1"
        group = group[1:] if parts[0] == "apis" else group[1:]
        namespace = None
        if group and group[0] == "namespaces" and len(group) > 2:
            namespace, group = group[1], group[2:]
        plural = group[0] if group else ""
        if plural not in PLURALS or plural in api.kinds_missing or not self.serves(plural, version):
            return self.refuse(404, "the server could not find the requested resource")
        if self.command != "GET":
            return self.write(plural, namespace, group[1:], body)
        if query.get("watch"):
            return self.watch(plural, namespace, query)
        return self.list(plural, namespace, query)

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = do

    def issue(self, words):
        """A token for the account of /api/v1/namespaces/<namespace>/serviceaccounts/<name>/token."""
        api, ends = self.api, time.time() + self.api.token_life
        with api.lock:
            if api.only_newest:
                api.accounts.clear()
            token = make_token(words[4], words[6], ends, len(api.accounts) + len(api.bearers))
            api.accounts[token] = f"{words[4]}/{words[6]}"
        self.answer(201, {"kind": "TokenRequest", "status": {
            "token": token,
            "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))}})

    def serves(self, plural, version):
        if plural == "endpointslices":
            return version.removeprefix("discovery.k8s.io/") in self.api.slice_versions
        return version == PLURALS[plural][0]

    def of_version(self, thing, text):
        """As the version that is asked for has it: slices of v1beta1 leave out pods that end."""
        if "/discovery.k8s.io/v1beta1/" not in self.path or "endpoints" not in thing:
            return text
        return json.dumps({**thing, "endpoints": [row for row in thing["endpoints"]
                                                  if not row["conditions"].get("terminating")]})

    @staticmethod
    def selected(thing, namespace, query):
        if namespace and thing["metadata"].get("namespace") != namespace:
            return False
        field = query.get("fieldSelector", "")
        if field and thing["metadata"]["name"] != field.partition("=")[2]:
            return False
        label, _, value = query.get("labelSelector", "").partition("=")
        return not label or thing["metadata"].get("labels", {}).get(label) == value

    def list(self, plural, namespace, query):
        api = self.api
        with api.lock:
            things, texts = api.objects[plural], api.texts[plural]
            keys = sorted(key for key, thing in things.items()
                          if self.selected(thing, namespace, query))
            first = int(query.get("continue") or 0)
            limit = int(query.get("limit") or 0) or len(keys) or 1
            page = [self.of_version(things[key], texts[key]) for key in keys[first:first + limit]]
            version = api.version
        metadata = {"resourceVersion": str(version)}
        if api.endless:
            metadata["continue"] = "0"
        elif first + limit < len(keys):
            metadata["continue"] = str(first + limit)
        self.answer(200, f'{{"kind": "{PLURALS[plural][1]}List", "metadata": {json.dumps(metadata)}, '
                         f'"items": [{", ".join(page)}]}}')

    def line(self, kind, text):
        data = f'{{"type": "{kind}", "object": {text}}}\n'.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()
        if kind != "BOOKMARK":
            self.api.told = time.monotonic()

    def watch(self, plural, namespace, query):
        api, at = self.api, int(query["resourceVersion"])
        if at < api.oldest:
            return self.refuse(410, "too old resource version")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        name = query.get("fieldSelector", "").partition("=")[2] or None
        with api.watchers.waiting(plural, name) as news:
            return self.follow(plural, namespace, query, news)

    def follow(self, plural, namespace, query, news):
        """Until the end of a watch."""
        api, at = self.api, int(query["resourceVersion"])
        ends = time.monotonic() + float(query.get("timeoutSeconds", 60))
        marked = time.monotonic()
        server = api.server
        while time.monotonic() < ends or api.stall:
            with api.lock:
                if at < api.oldest and not api.stall:
                    error = {"kind": "Status", "code": 410, "message": "too old resource version"}
                    new = [(at, plural, "ERROR", error, json.dumps(error))]
                else:
                    first = bisect.bisect_left(api.events, (at + 1,))
                    new = [] if api.stall else [e for e in api.events[first:] if e[1] == plural]
                seen = api.version
                if not new:
                    at = at if api.stall else seen
                    news.wait(api.bookmarks / 10)
            if api.server is not server:
                return None
            for version, _, kind, thing, text in new:
                if kind == "ERROR" or self.selected(thing, namespace, query):
                    self.line(kind, self.of_version(thing, text))
                at = max(at, version)
                if kind == "ERROR":
                    ends = 0
            if time.monotonic() - marked > api.bookmarks and not api.stall:
                marked = time.monotonic()
                at = max(at, seen)
                self.line("BOOKMARK", json.dumps({"kind": PLURALS[plural][1],
                                                  "metadata": {"resourceVersion": str(at)}}))
        self.wfile.write(b"0\r\n\r\n")
        return None

    def write(self, plural, namespace, rest, body):
        api = self.api
        thing = json.loads(body)
        api.writes.append((self.command, plural, namespace, rest, thing))
        if self.command == "POST":
            key = namespace, thing["metadata"]["name"]
            with api.lock:
                if key in api.objects[plural]:
                    return self.refuse(409, f"{plural} \"{key[1]}\" already exists")
            api.apply(thing)
            return self.answer(201, thing)
        with api.lock:
            old = api.objects[plural].get((namespace, rest[0]))
            if old is None:
                return self.refuse(404, f"{plural} \"{rest[0]}\" not found")
            version = thing.get("metadata", {}).get("resourceVersion")
            if version and version != old["metadata"]["resourceVersion"]:
                return self.refuse(409, "the object has been modified; please apply your changes to "
                                        "the latest version and try again")
            new = json.loads(json.dumps(old))
            if rest[1:] == ["status"]:
                new["status"] = {**new.get("status", {}), **thing.get("status", {})}
                api.apply(new)
        return self.answer(200, new)
