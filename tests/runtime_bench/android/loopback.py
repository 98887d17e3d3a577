"""A phone on 127.0.0.1 for the real `adb`: it speaks the device's side of adb's wire protocol.

Messages are six little-endian words (command, two arguments, length, sum of the data, inverted
command) and data; `CNXN`, `OPEN`, `OKAY`, `WRTE` and `CLSE` carry streams, of which `shell:` and
`sync:` are served (Android's packages/modules/adb: protocol.txt, SYNC.TXT). `/data/local/tmp` is a
folder of the test, shell commands run in this machine's `sh`.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

ROOT = "/data/local/tmp"
_MAX_DATA = 4096
_AUTH_TOKEN, _AUTH_PUBLIC_KEY = 1, 3


class LoopbackPhone:
    """A phone; `address` is what `adb connect` wants.

    Attributes:
        folder: What the phone calls `/data/local/tmp`.
        trusts: Whether it accepts this computer; else it asks for a key for ever.
        full: Whether its storage is full.
        hang_up_on: A shell command with this text ends the connection instead of running.
        commands: Shell commands that it ran.
    """

    def __init__(self, folder: Path, *, programs: Path, trusts=True, full=False, hang_up_on=None):
        self.folder, self.programs = folder, programs
        self.trusts, self.full, self.hang_up_on = trusts, full, hang_up_on
        self.commands: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        for opened in (self._socket, *self._connections):
            opened.close()

    def local(self, path: str) -> Path:
        return Path(path.replace(ROOT, str(self.folder)))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=_Transport(self, connection).serve, daemon=True).start()


class _Transport:
    """One connection with the host."""

    def __init__(self, phone: LoopbackPhone, connection: socket.socket):
        self.phone, self.connection = phone, connection
        self.lock = threading.Lock()
        self.streams: dict[int, _Stream] = {}

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        (word,) = struct.unpack("<I", command)
        header = struct.pack(
            "<6I", word, first, second, len(data), sum(data) & 0xFFFFFFFF, word ^ 0xFFFFFFFF
        )
        with self.lock:
            self.connection.sendall(header + data)

    def hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        try:
            while True:
                word, first, second, length, _, _ = struct.unpack("<6I", self._receive(24))
                self._handle(struct.pack("<I", word), first, second, self._receive(length))
        except (OSError, ConnectionError):
            for stream in self.streams.values():
                stream.end()

    def _handle(self, command: bytes, first: int, second: int, data: bytes) -> None:
        if command in (b"CNXN", b"AUTH"):
            if self.phone.trusts:
                banner = b"device::ro.product.name=loopback;ro.product.model=Loop_Back;features="
                self.send(b"CNXN", 0x01000000, _MAX_DATA, banner + b"\0")
            elif command == b"CNXN" or first != _AUTH_PUBLIC_KEY:
                # No signature is right; then the host shows its key, and the phone's user waits.
                self.send(b"AUTH", _AUTH_TOKEN, 0, bytes(20))
        elif command == b"OPEN":
            stream = _Stream(self, len(self.streams) + 1, first)
            self.streams[stream.number] = stream
            self.send(b"OKAY", stream.number, first)
            service = data.rstrip(b"\0").decode()
            threading.Thread(target=stream.serve, args=(service,), daemon=True).start()
        elif command == b"WRTE" and second in self.streams:
            self.streams[second].received.put(data)
            self.send(b"OKAY", second, first)
        elif command == b"OKAY" and second in self.streams:
            self.streams[second].ready.release()
        elif command == b"CLSE" and second in self.streams:
            self.streams[second].end()

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data


class _Stream:
    """One open service."""

    def __init__(self, transport: _Transport, number: int, peer: int):
        self.transport, self.number, self.peer = transport, number, peer
        self.received: queue.Queue[bytes] = queue.Queue()
        self.ready = threading.Semaphore(1)
        self.process: subprocess.Popen | None = None
        self._buffer = b""

    def end(self) -> None:
        self.received.put(b"")
        self.ready.release()
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGHUP)

    def serve(self, service: str) -> None:
        try:
            if service.startswith("shell:"):
                self._shell(service.removeprefix("shell:"))
            elif service == "sync:":
                self._sync()
            self.transport.send(b"CLSE", self.number, self.peer)
        except (OSError, ConnectionError):
            return

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _MAX_DATA):
            # The host acknowledges each message before it takes the next.
            self.ready.acquire()
            part = data[start : start + _MAX_DATA]
            self.transport.send(b"WRTE", self.number, self.peer, part)

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            part = self.received.get()
            if not part:
                raise ConnectionError
            self._buffer += part
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _shell(self, command: str) -> None:
        phone = self.transport.phone
        phone.commands.append(command)
        if phone.hang_up_on is not None and phone.hang_up_on in command:
            self.transport.hang_up()
            return
        self.process = subprocess.Popen(
            ["sh", "-c", command.replace(ROOT, str(phone.folder))],
            env={**os.environ, "PATH": f"{phone.programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while part := os.read(self.process.stdout.fileno(), _MAX_DATA):
            self.write(part)
        self.process.wait()

    def _sync(self) -> None:
        while True:
            request, length = struct.unpack("<4sI", self._read(8))
            if request == b"QUIT":
                return
            path = self._read(length).decode()
            if request == b"STAT":
                self._stat(path)
            elif request == b"SEND":
                self._take(path.rpartition(",")[0])
            elif request == b"RECV":
                self._give(path)

    def _stat(self, path: str) -> None:
        try:
            found = self.transport.phone.local(path).stat()
        except OSError:
            self.write(struct.pack("<4s3I", b"STAT", 0, 0, 0))
            return
        self.write(struct.pack("<4s3I", b"STAT", found.st_mode, found.st_size, 0))

    def _take(self, path: str) -> None:
        data = b""
        while True:
            part, length = struct.unpack("<4sI", self._read(8))
            if part == b"DONE":
                break
            data += self._read(length)
        if self.transport.phone.full:
            reason = b"couldn't write file: No space left on device"
            self.write(struct.pack("<4sI", b"FAIL", len(reason)) + reason)
            return
        self.transport.phone.local(path).write_bytes(data)
        self.write(struct.pack("<4sI", b"OKAY", 0))

    def _give(self, path: str) -> None:
        data = self.transport.phone.local(path).read_bytes()
        for start in range(0, len(data), 65536):
            part = data[start : start + 65536]
            self.write(struct.pack("<4sI", b"DATA", len(part)) + part)
        self.write(struct.pack("<4sI", b"DONE", 0))
