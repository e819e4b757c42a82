"""A TCP proxy whose line can be cut: the network between two servers of this machine."""

import socket
import socketserver
import threading
from contextlib import suppress

CHUNK = 65536


class Proxy:
    """Forwards connections from a port of its own to `port`, both on 127.0.0.1.

    A broken line ends every connection, the open ones included. A silent one carries nothing and
    says nothing, and goes on where it stopped when it is healed, as TCP does.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._flows = threading.Event()
        self._flows.set()
        self._broken = False
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Line)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def cut(self, *, silent: bool) -> None:
        self._flows.clear()
        self._broken = not silent
        if self._broken:
            for end in list(self._open):
                _hang_up(end)

    def heal(self) -> None:
        self._broken = False
        self._flows.set()

    def close(self) -> None:
        self.cut(silent=False)
        self._flows.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def carry(self, near: socket.socket) -> None:
        """One connection, until both sides have ended it, nobody listens, or the line breaks."""
        self._open.add(near)
        with suppress(OSError):
            self._wait_for_line()
            with socket.create_connection(self._target) as far:
                self._open.add(far)
                back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
                back.start()
                self._pump(near, far)
                back.join()
                self._open.discard(far)
        self._open.discard(near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            self._wait_for_line()
            while data := source.recv(CHUNK):
                self._wait_for_line()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _hang_up(source)
            _hang_up(sink)

    def _wait_for_line(self) -> None:
        """Return once the line is not silent. Raises ConnectionError when it is broken."""
        while not self._broken and not self._flows.wait(0.1):
            pass
        if self._broken:
            raise ConnectionError("the line is cut")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    proxy: Proxy


class _Line(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.proxy.carry(self.request)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):  # it may have ended already
        end.shutdown(socket.SHUT_RDWR)
