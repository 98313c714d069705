# SPDX-License-Identifier: BSD-3-Clause
"""An HTTP server of a test, in threads of its own behind a socket that the test made."""

import contextlib
import http.server
import socket
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1, silent. Who breaks off is nobody's error. `connections`: those that are open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as servers do
    timeout = 120

    def log_message(self, *_):
        pass

    def setup(self):
        self.server.connections.add(self.request)
        super().setup()

    def finish(self):
        self.server.connections.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self):
        with contextlib.suppress(OSError, ValueError):
            super().handle()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def break_off(self):
        """Every connection ends in the middle of whatever it carries."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def end(self):
        self.shutdown()
        self.server_close()
        self.break_off()


def serve_on(sock, address, handler, context=None, connections=None):
    """Serves at the address until its end(). context: of TLS, as the server. connections: a set
    that several servers have in common."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(64)
    server = Server(address, handler, False)
    server.socket.close()
    server.connections = set() if connections is None else connections
    server.server_name, server.server_port = address
    server.socket = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) \
        if context else sock
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
