# SPDX-License-Identifier: BSD-3-Clause
"""Statistics of a dataplane, asked over its channel (config/channel.proto)."""

import importlib
import socket
import struct
import subprocess
import sys


def messages(root, directory):
    """The classes of channel.proto."""
    subprocess.run(["protoc", f"--proto_path={root}/config", f"--python_out={directory}",
                    "channel.proto"], check=True)
    sys.path.insert(0, str(directory))
    try:
        return importlib.import_module("channel_pb2")
    finally:
        sys.path.remove(str(directory))


class Channel:
    def __init__(self, path, proto):
        self.proto, self.id = proto, 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.hello = self.receive().hello

    def close(self):
        self.socket.close()

    def _read(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise OSError("the dataplane closed the channel")
            data += piece
        return data

    def receive(self):
        length = struct.unpack(">I", self._read(4))[0]
        reply = self.proto.Reply()
        reply.ParseFromString(self._read(length))
        return reply

    def ask(self, **body):
        self.id += 1
        data = self.proto.Request(id=self.id, **body).SerializeToString()
        self.socket.sendall(struct.pack(">I", len(data)) + data)
        return self.receive()

    def stats(self):
        return self.ask(stats=self.proto.StatsRequest()).stats
