"""What a contract can do: its state, its surroundings, other contracts."""

from . import wire
from .abi import Address

_BATCH = 1000


class Stop(BaseException):
    """The call must not go on: no gas left, a change in a read-only call, a fault of the host. Do not catch it."""


class Status:
    """How a called contract ended."""

    SUCCESS, REVERT, TRAP = 0, 1, 2


class Level:
    """The severity of a line for the log."""

    TRACE, DEBUG, INFO, WARN, ERROR = range(5)


class Reply:
    """What a called contract returned: status, output."""

    def __init__(self, status, output):
        self.status = status
        self.output = output


class Environment:
    """What surrounds a call. Constant while it runs."""

    def __init__(self, message):
        def address(field):
            return Address(message.bytes(field) or bytes(20))

        self.this, self.caller, self.origin, self.coinbase = (address(field) for field in (1, 2, 3, 4))
        self.value = int.from_bytes(message.bytes(5), "big")
        self.chain_id, self.block_number, self.timestamp = (message.number(field) for field in (6, 7, 8))
        self.is_static = bool(message.number(9))
        self.depth = message.number(10)


class Context:
    """The host during one call. After the first Stop every operation raises Stop. A number that is too large for an operation is an OverflowError."""

    def __init__(self, connection, call):
        self._connection = connection
        # Whether the host said stop, or was told more than it takes.
        self.is_stopped = False
        self.env = Environment(wire.Message(call.bytes(6)))

    def get(self, key):
        """The bytes under a key; None if there are none."""
        return _value(self._ask(wire.GET, wire.content(1, key), wire.VALUE))

    def get_many(self, keys):
        """The bytes under several keys, in their order, in one round trip."""
        values = []
        for at in range(0, len(keys), _BATCH):
            batch = keys[at : at + _BATCH]
            packed = b"".join(len(key).to_bytes(4, "little") + key for key in batch)
            found = self._ask(wire.GET_MANY, wire.content(1, packed), wire.VALUES).all(1)
            if len(found) != len(batch):
                raise wire.Broken(f"the host answered {len(batch)} keys with {len(found)} values")
            values += [_value(wire.Message(value)) for value in found]
        return values

    def put(self, key, value):
        """Puts bytes under a key. None at all are still something."""
        self._tell(wire.PUT, wire.content(1, key) + wire.content(2, value))

    def delete(self, key):
        """Deletes a key, if it exists."""
        self._tell(wire.DELETE, wire.content(1, key))

    def scan(self, start, end, limit):
        """Up to `limit` pairs of key and value, ascending by key, from `start` (included) to `end` (excluded; empty: to the last). The host bounds the limit; what follows starts at the last key and a zero byte."""
        if limit == 0:
            return []
        page = self._ask(wire.SCAN, wire.content(1, start) + wire.content(2, end) + wire.number(3, limit, 32), wire.ENTRIES)
        found = [wire.Message(entry) for entry in page.all(1)]
        return [(entry.bytes(1), entry.bytes(2)) for entry in found]

    def emit(self, topic, data):
        """Emits an event; the topic is a text of at most 255 bytes."""
        self._tell(wire.EMIT, wire.content(1, topic) + wire.content(2, data))

    def call(self, to, method, data=b"", value=0, gas=0, is_static=False):
        """Calls another contract: `to` is a name or an Address, `data` the encoded arguments. With gas 0 the callee gets all but one 64th."""
        target = wire.present(1, to) if isinstance(to, str) else wire.present(2, bytes(to))
        amount = value.to_bytes(32, "big") if value else b""
        request = target + wire.content(3, method) + wire.content(4, data) + wire.content(5, amount)
        result = self._ask(wire.CALL_CONTRACT, request + wire.number(6, gas) + wire.number(7, is_static), wire.CALL_RESULT)
        return Reply(result.number(1) - 1, result.bytes(2))

    def gas_left(self):
        """The gas that this call has left."""
        return self._ask(wire.GAS_LEFT, b"", wire.GAS).number(1)

    def charge(self, gas):
        """Uses gas for work that the host does not see."""
        self._tell(wire.CHARGE, wire.number(1, gas))

    def log(self, level, message):
        """Writes a line into the host's log. No result depends on it."""
        self._tell(wire.LOG, wire.number(1, level, 32) + wire.content(2, message))

    def address_of(self, name):
        """The address of the account with this name, or of the contract NAME if it is contract:NAME."""
        return Address(self._ask(wire.ADDRESS_OF, wire.content(1, name), wire.ADDRESS).bytes(1))

    def _tell(self, kind, message):
        self._say(self._connection.queue, kind, message)

    def _ask(self, kind, message, expected):
        self._say(self._connection.send, kind, message)
        frame = self._connection.receive()
        if frame is None:
            raise wire.Broken("the host hung up inside a call")
        found, answer = frame
        if found == wire.STOP:
            self.is_stopped = True
            raise Stop
        if found != expected:
            raise wire.Broken(f"the host answered with message {found} instead of {expected}")
        return answer

    def _say(self, way, kind, message):
        if self.is_stopped:
            raise Stop
        try:
            way(kind, message)
        except wire.TooLong:
            self.is_stopped = True
            raise Stop from None


def _value(message):
    return message.bytes(1) if message.all(1) else None
