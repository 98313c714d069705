# SPDX-License-Identifier: BSD-3-Clause
"""A pcapng file, read by the letter of its specification, so that nothing wrong in it is passed over."""

import collections
import struct

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
Packet = collections.namedtuple("Packet", "port time way comment length frame")


def options(data):
    found, at = {}, 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert length == 0 and at + 4 == len(data)
            break
        found[code] = data[at + 4:at + 4 + length]
        assert len(found[code]) == length
        at += 4 + (length + 3) // 4 * 4
    return found


def packet(body, ports):
    port, high, low, kept, length = struct.unpack_from("<IIIII", body)
    end = 20 + (kept + 3) // 4 * 4
    assert end <= len(body) and kept <= length
    found = options(body[end:])
    way = struct.unpack("<I", found[2])[0] & 3
    return Packet(ports[port], (high << 32 | low) / 1e9, ("?", "in", "out")[way],
                  found.get(1, b"").decode() or None, length, body[20:20 + kept])


def read(path):
    """The packets, one after another."""
    data, at, ports = path.read_bytes(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and length >= 12 and at + length <= len(data)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length
        body = data[at + 8:at + length - 4]
        if kind == SECTION:
            assert at == 0 and struct.unpack_from("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
            options(body[16:])
        elif kind == INTERFACE:
            assert struct.unpack_from("<HH", body) == (1, 0)
            found = options(body[8:])
            assert found[9] == b"\x09"  # nanoseconds
            ports.append(found[2].decode())
        else:
            assert kind == PACKET
            yield packet(body, ports)
        at += length
