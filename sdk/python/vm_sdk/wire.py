"""Frames and messages of the container protocol: docs/container-protocol.md, vm-docker/proto/contract.proto."""

MAX_FRAME = 16 << 20


class Broken(BaseException):
    """The connection to the host is of no use any more: there is nobody to tell. No exception of a contract's own."""


class TooLong(Exception):
    """No frame holds so much."""


# What ContractFrame and HostFrame call their messages.
HELLO, RETURN, GET, PUT, DELETE, SCAN, EMIT, CALL_CONTRACT, GAS_LEFT, CHARGE, LOG, ADDRESS_OF, GET_MANY = range(1, 14)
CALL, STOP, VALUE, ENTRIES, CALL_RESULT, GAS, ADDRESS, VALUES = range(1, 9)
_CALL_NUMBER = 15


def number(field, value, bits=64):
    """A field of a number type; zero is left out."""
    if not 0 <= value < 1 << bits:
        raise OverflowError(f"{value} is no number of {bits} bits without a sign")
    return _varint(field << 3) + _varint(value) if value else b""


def content(field, value):
    """A field of type bytes, string or message; empty is left out."""
    data = _bytes(value)
    return present(field, data) if data else b""


def present(field, value):
    """A field of type bytes, string or message."""
    value = _bytes(value)
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _bytes(value):
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"text or bytes were expected, not {type(value).__name__}")


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Message:
    """The fields of a message that was received."""

    def __init__(self, data):
        self._fields = {}
        at = 0
        while at < len(data):
            key, at = _take_varint(data, at)
            kind = key & 7
            if kind == 0:
                value, at = _take_varint(data, at)
            elif kind == 2:
                length, at = _take_varint(data, at)
                value, at = data[at : at + length], at + length
                if at > len(data):
                    raise ValueError("a message ends inside a field")
            else:
                raise ValueError(f"field of unknown type {kind}")
            self._fields.setdefault(key >> 3, []).append(value)

    def all(self, field):
        """The values of a repeated field."""
        return self._fields.get(field, [])

    def bytes(self, field):
        """The last value of a field of type bytes or message; empty if it is not there."""
        return self._fields.get(field, [b""])[-1]

    def text(self, field):
        """The last value of a field of type string."""
        return self.bytes(field).decode()

    def number(self, field):
        """The last value of a field of a number type; zero if it is not there."""
        return self._fields.get(field, [0])[-1]

    def only(self):
        """The number and the content of the first field: what a HostFrame holds."""
        for field, values in self._fields.items():
            return field, values[-1]
        raise ValueError("a frame without a message")


def _take_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


class Connection:
    """Frames through a socket. What is queued travels with what is sent next."""

    def __init__(self, sock):
        self.sock = sock
        self.call = 0
        self._queue = bytearray()

    def queue(self, kind, message):
        """Queues a frame of the current call."""
        frame = present(kind, message) + number(_CALL_NUMBER, self.call)
        if len(frame) > MAX_FRAME:
            raise TooLong(f"frame of {len(frame)} bytes; the limit is {MAX_FRAME}")
        self._queue += len(frame).to_bytes(4, "little") + frame
        if len(self._queue) > 65536:
            self.flush()

    def send(self, kind, message):
        """Sends a frame, after those that are queued."""
        self.queue(kind, message)
        self.flush()

    def flush(self):
        """Sends what is queued."""
        # Taken out before: the host may answer a greeting, and a thread the call that it answers with, before this returns.
        queue, self._queue = self._queue, bytearray()
        try:
            self.sock.sendall(queue)
        except OSError as error:
            raise Broken(str(error)) from None

    def receive(self):
        """The next frame's number and message; None if the host hung up."""
        prefix = self._read(4, True)
        if prefix is None:
            return None
        kind, message = Message(self._read(int.from_bytes(prefix, "little"), False)).only()
        return kind, Message(message)

    def _read(self, length, may_end):
        parts, left = [], length
        while left:
            try:
                part = self.sock.recv(min(left, 1 << 16))
            except OSError as error:
                raise Broken(str(error)) from None
            if not part:
                if may_end and left == length:
                    return None
                raise Broken("the host hung up inside a frame")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
