"""The process in a container."""

import io
import os
import socket
import sys
import threading

from . import wire
from .context import Context, Stop
from .contract import Methods, Revert

_SUCCESS, _REVERT, _TRAP = 1, 2, 3


class Refused(BaseException):
    """The machine refused memory, a file or a thread. Whether it does depends on the calls beside and before this one, so it is no result: the connection ends, and the host has a fault."""


class _Lane(threading.Thread):
    """Work for a connection, on a thread of its own: so a contract begins at the same depth of the interpreter's stack on every connection and in every child. How deep it can call decides a result."""

    def __init__(self, work, connection, methods):
        super().__init__(daemon=True)
        self._work, self._args = work, (connection, methods)
        self._result = self._error = None

    def run(self):
        try:
            self._result = self._work(*self._args)
        except BaseException as error:
            self._error = error

    def ended(self):
        """Waits for it. What it returned, or raises what it raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._result


# How the process of one call says that it has performed it.
_PERFORMED = 86


def serve(contract, sock=None):
    """Connects to the host and performs calls until the host hangs up, as many at a time as the contract declares and the host allows (VM_CONCURRENCY). Where the host asks for it (VM_ISOLATION=call) every call is performed by a child of its own."""
    _buffer_lines()
    methods = Methods(contract)
    fresh = os.environ.get("VM_ISOLATION") == "call"
    lanes = 1 if fresh or sock else _lanes(contract)
    socks = [sock] if sock else [_connected() for _ in range(lanes)]
    connections = [wire.Connection(sock) for sock in socks]
    # Who greets is ready for calls: threads that cannot be started end the process before.
    threads = [] if fresh else [_Lane(_serve, each, methods) for each in connections]
    for thread in threads:
        thread.start()
    hello = wire.number(1, 1) + wire.content(2, methods.interface) + wire.content(3, "vm-sdk-python 0.1.0")
    hello += wire.number(4, fresh) + wire.number(5, lanes if lanes > 1 else 0)
    for connection in connections:
        connection.send(wire.HELLO, hello)
    if fresh:
        _fork_for_each(connections[0], methods)
        return
    failed = None
    for thread in threads:
        # One connection that fails does not end the others.
        try:
            thread.ended()
        except BaseException as error:
            failed = failed or error
    if failed:
        raise failed


def _buffer_lines():
    # To a pipe Python writes blocks: a line would be told with another call than the one that printed it, or never.
    for stream in (sys.stdout, sys.stderr):
        # A program may have put something of its own in their place, or closed them.
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(line_buffering=True)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # There is none, or nobody reads it.
            pass


def _lanes(contract):
    allowed = os.environ.get("VM_CONCURRENCY", "1")
    return max(1, min(getattr(contract, "concurrency", 1), int(allowed) if allowed.isdecimal() else 1))


def _connected():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.environ.get("VM_SOCKET", "/run/vm/contract.sock"))
    return sock


def _serve(connection, methods):
    try:
        while _perform(connection, methods):
            pass
    finally:
        connection.sock.close()


def _serve_one(connection, methods):
    return _perform(connection, methods)


def _fork_for_each(connection, methods):
    # The next child waits for its call as soon as the one before has ended: no call waits for a start.
    while True:
        # Else each child would print what is begun here.
        _flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                lane = _Lane(_serve_one, connection, methods)
                lane.start()
                code = _PERFORMED if lane.ended() else 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                _flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != _PERFORMED:
            sys.exit(code if code >= 0 else 128 - code)


def _perform(connection, methods):
    """Waits for a call and performs it. False if the host has hung up."""
    while True:
        frame = connection.receive()
        if frame is None:
            return False
        kind, call = frame
        # A Stop that crossed our Return is no call.
        if kind == wire.CALL:
            break
    connection.call = call.number(8)
    status, output = _run(connection, methods, call)
    try:
        connection.send(wire.RETURN, wire.number(1, status) + wire.content(2, output))
    except wire.TooLong as error:
        connection.send(wire.RETURN, wire.number(1, _TRAP) + wire.content(2, str(error)))
    connection.call = 0
    return True


def _run(connection, methods, call):
    context = Context(connection, call)
    status, output = _performed(context, methods, call)
    # Who goes on after a Stop has done a part of what it wanted at most.
    return (_TRAP, b"") if context.is_stopped else (status, output)


def _performed(context, methods, call):
    try:
        return _SUCCESS, methods.perform(context, call)
    except Revert as refusal:
        return _REVERT, _text(refusal)
    except Stop:
        # The host knows why.
        return _TRAP, b""
    except Exception as error:
        if _is_of_the_machine(error):
            raise Refused(f"{type(error).__name__}: {error}") from error
        return _TRAP, _text(error, f"{type(error).__name__}: ")


def _text(error, kind=""):
    """What an exception says. A text that UTF-8 does not have, or none at all, is the contract's own failure like any other."""
    try:
        said = str(error)
    except Exception as silent:
        if _is_of_the_machine(silent):
            raise Refused(type(silent).__name__) from silent
        said = f"its text raises {type(silent).__name__}"
    return f"{kind}{said}".encode(errors="backslashreplace")


def _is_of_the_machine(error):
    if isinstance(error, (MemoryError, OSError)):
        return True
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"
