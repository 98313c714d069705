# SPDX-License-Identifier: BSD-3-Clause
"""A real Kubernetes control plane for tests: etcd, kube-apiserver, kube-controller-manager and
kube-scheduler, with certificates made on the spot, in the machine (network namespace) given.

    with ControlPlane(machine, directory, "10.250.0.1") as cluster:
        cluster.create("/api/v1/namespaces/default/services", {...})

There are no kubelets: agent.py plays nodes and pods.
"""

import contextlib
import http.client
import json
import shutil
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

TOKEN = "tests-admin"
PORT = 6443
# What 1.20 has and keeps switched off.
GATES = ("IPv6DualStack", "ServiceLBNodePortControl", "MixedProtocolLBService",
         "EndpointSliceTerminatingCondition")


def programs():
    """The folder of the programs; the first time they are built, which takes minutes."""
    build = Path(__file__).with_name("build")
    return Path(subprocess.run([build], check=True, text=True, stdout=subprocess.PIPE).stdout.strip())


class ApiError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text[:300]}")
        self.code = code


class ControlPlane:
    """dual: both families, and what a later Kubernetes has (GATES); else as 1.20 comes."""

    def __init__(self, machine, directory, address, dual=False):
        self.machine, self.dir, self.address, self.dual = machine, Path(directory), address, dual
        self.services, self.pods = "10.96.0.0/16", "10.244.0.0/16"
        if dual:
            self.services, self.pods = f"{self.services},fd00:10:96::/112", f"{self.pods},fd00:10:244::/48"
        self.server = f"https://{address}:{PORT}"
        self.processes = {}
        self.threads = threading.local()  # a connection for each

    def __enter__(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.programs = programs()
        self._certificates()
        self._kubeconfig()
        try:
            self.start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in list(self.processes):
            self.kill(name)

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, cwd=self.dir,
                       capture_output=True)

    def _certificates(self):
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ca",
                      "-keyout", "ca.key", "-out", "ca.crt")
        first = self.services.partition("/")[0].rsplit(".", 1)[0] + ".1"
        self.certificate("server", f"IP:{self.address},IP:127.0.0.1,IP:{first},"
                         "DNS:kubernetes.default.svc")
        # As whom it asks aggregated API servers.
        self.certificate("front-proxy", "DNS:front-proxy")
        self._openssl("genrsa", "-out", "accounts.key", "2048")
        (self.dir / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')

    def certificate(self, name, names):
        """name.crt and name.key, of our CA."""
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.dir / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    def _kubeconfig(self):
        (self.dir / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": {
                "server": self.server, "certificate-authority": str(self.dir / "ca.crt")}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}]}))

    def _words(self):
        peer = "http://127.0.0.1:2380"
        config = f"--kubeconfig={self.dir}/kubeconfig"
        gates = ["--feature-gates=" + ",".join(f"{gate}=true" for gate in GATES)] if self.dual else []
        return {
            "etcd": ["etcd", f"--data-dir={self.dir}/etcd", "--listen-client-urls=http://127.0.0.1:2379",
                     "--advertise-client-urls=http://127.0.0.1:2379", f"--listen-peer-urls={peer}",
                     f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                     "--unsafe-no-fsync"],
            "kube-apiserver": [
                self.programs / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
                f"--bind-address={self.address}", f"--advertise-address={self.address}",
                f"--secure-port={PORT}", f"--tls-cert-file={self.dir}/server.crt",
                f"--tls-private-key-file={self.dir}/server.key", f"--cert-dir={self.dir}",
                f"--client-ca-file={self.dir}/ca.crt", f"--token-auth-file={self.dir}/tokens.csv",
                f"--service-cluster-ip-range={self.services}", "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self.dir}/accounts.key",
                f"--service-account-signing-key-file={self.dir}/accounts.key",
                "--allow-privileged=true", "--enable-aggregator-routing=true",
                f"--proxy-client-cert-file={self.dir}/front-proxy.crt",
                f"--proxy-client-key-file={self.dir}/front-proxy.key",
                f"--requestheader-client-ca-file={self.dir}/ca.crt",
                "--requestheader-allowed-names=front-proxy",
                "--requestheader-username-headers=X-Remote-User",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                # No kubelet and no controller would give pods their account's token.
                "--disable-admission-plugins=ServiceAccount", *gates],
            "kube-controller-manager": [
                self.programs / "kube-controller-manager", config, "--leader-elect=false", "--port=0",
                "--secure-port=0", f"--cluster-cidr={self.pods}",
                f"--service-cluster-ip-range={self.services}",
                # Nodes say theirs themselves, as the machines of a lab have them.
                "--allocate-node-cidrs=false", "--concurrent-endpoint-syncs=8",
                f"--service-account-private-key-file={self.dir}/accounts.key",
                "--use-service-account-credentials=false", "--node-monitor-period=1s",
                # While the API server is away no node can say that it lives: not to be held against
                # them.
                "--node-monitor-grace-period=600s", "--pod-eviction-timeout=2s", *gates],
            "kube-scheduler": [
                self.programs / "kube-scheduler", config, "--leader-elect=false", "--port=0",
                "--secure-port=0", *gates],
        }

    def start(self, name):
        self.processes[name] = self.machine.start(
            *map(str, self._words()[name]), log=self.dir / f"{name}.log")

    def kill(self, name, number=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(timeout=20)

    def freeze(self, name):
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name):
        self.processes[name].send_signal(signal.SIGCONT)

    def wait_ready(self):
        self.wait(lambda: self.request("GET", "/readyz", plain=True) == "ok", "the API server", 60)

    def take_backup(self):
        file = self.dir / "backup.db"
        self.machine.run("env", "ETCDCTL_API=3", "etcdctl", "snapshot", "save", file)
        return file

    def restore(self, file):
        """All of it stops, and what comes back is of the moment of the backup."""
        for name in reversed(list(self.processes)):
            self.kill(name)
        shutil.rmtree(self.dir / "etcd")
        self.machine.run("env", "ETCDCTL_API=3", "etcdctl", "snapshot", "restore", file,
                         f"--data-dir={self.dir}/etcd", "--initial-cluster=default=http://127.0.0.1:2380",
                         "--initial-advertise-peer-urls=http://127.0.0.1:2380")
        self.start_all()

    def start_all(self):
        self.start("etcd")
        self.start("kube-apiserver")
        self.wait_ready()
        self.start("kube-controller-manager")
        self.start("kube-scheduler")

    def wait(self, condition, what, seconds=30):
        until = time.monotonic() + seconds
        while True:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended:\n{self.tail(name)}")
            try:
                if condition():
                    return
                last = "not yet"
            except (ApiError, OSError, ValueError) as error:
                last = error
            if time.monotonic() > until:
                raise AssertionError(f"{what}: {last}")
            time.sleep(0.05)

    def tail(self, name):
        return "\n".join((self.dir / f"{name}.log").read_text(errors="replace").split("\n")[-25:])

    def _open(self, timeout=10):
        """To an address that is nowhere but on the machine: the socket is of there."""
        connection = http.client.HTTPSConnection(self.address, PORT, timeout=timeout)
        raw = self.machine.socket()
        try:
            raw.settimeout(timeout)
            raw.connect((self.address, PORT))
            context = ssl.create_default_context(cafile=self.dir / "ca.crt")
            connection.sock = context.wrap_socket(raw, server_hostname=self.address)
        except BaseException:
            raw.close()
            raise
        return connection

    def _connect(self):
        if not getattr(self.threads, "connection", None):
            self.threads.connection = self._open()
        return self.threads.connection

    def _hang_up(self):
        with contextlib.suppress(AttributeError):
            self.threads.connection.close()
        self.threads.connection = None

    def request(self, method, path, body=None, plain=False, kind="application/json"):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        try:
            connection = self._connect()
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            raise OSError(f"{method} {path}: {error!r}") from None
        if not 200 <= answer.status < 300:
            raise ApiError(answer.status, text)
        return text if plain else json.loads(text)

    def get(self, path):
        return self.request("GET", path)

    def changes(self, path, seconds=30):
        """The objects of that path as they change after this call, for so long."""
        version = self.get(path)["metadata"]["resourceVersion"]

        def follow():
            with contextlib.closing(self._open(seconds + 10)) as connection:
                connection.request("GET", f"{path}?watch=1&resourceVersion={version}"
                                   f"&timeoutSeconds={seconds}", None,
                                   {"Authorization": f"Bearer {TOKEN}"})
                for line in connection.getresponse():
                    yield json.loads(line)["object"]
        return follow()

    def create(self, path, body):
        return self.request("POST", path, body)

    def patch(self, path, body):
        return self.request("PATCH", path, body, kind="application/merge-patch+json")

    def delete(self, path):
        return self.request("DELETE", path)
