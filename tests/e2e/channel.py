# SPDX-License-Identifier: BSD-3-Clause
"""The channel to the dataplane, spoken by a test in the control plane's place."""

import importlib.util
import ipaddress
import socket
import struct
import subprocess
import sys

import pytest

from topology import ROOT


@pytest.fixture(scope="module")
def proto(tmp_path_factory):
    """config/channel.proto, as Python."""
    out = tmp_path_factory.mktemp("proto")
    subprocess.run(["protoc", f"--proto_path={ROOT}/config", f"--python_out={out}", "channel.proto"],
                   check=True)
    spec = importlib.util.spec_from_file_location("channel_pb2", out / "channel_pb2.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["channel_pb2"] = module
    spec.loader.exec_module(module)
    return module


def packed(address):
    return ipaddress.ip_address(address).packed


class Channel:
    def __init__(self, lab, proto):
        self.proto = proto
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(lab.net.dir / "run" / "dataplane.sock"))
        self.hello = self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def receive_exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        reply = self.proto.Reply()
        reply.ParseFromString(
            self.receive_exactly(struct.unpack("!I", self.receive_exactly(4))[0]))
        return reply

    def send(self, data):
        self.sock.sendall(struct.pack("!I", len(data)) + data)

    def transact(self, request_id=1, **fields):
        request = self.proto.Request(id=request_id, transaction=self.proto.Transaction(**fields))
        self.send(request.SerializeToString())
        reply = self.receive()
        assert reply.id == request_id
        return reply.result

    def ask(self, **body):
        """The reply to one request: stats, flows or explain."""
        self.send(self.proto.Request(id=7, **body).SerializeToString())
        return self.receive()
