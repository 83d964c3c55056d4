"""The contract that tests run on every runtime: what contracts/probe does, in Python."""

from vm_sdk import Address, Contract, Level, Revert, Status, init, serve, u32, u64, u128, upgrade, view


class Probe(Contract):
    concurrency = 4

    @init
    def init(cx, message: str):
        _refuse(message)

    @upgrade
    def upgrade(cx, old, new, message: str):
        cx.put(b"upgraded", f"{old} -> {new}".encode())
        _refuse(message)

    @view
    def echo(cx, data: bytes) -> bytes:
        return data

    def nothing(cx):
        pass

    def put(cx, key: bytes, value: bytes):
        cx.put(key, value)

    @view
    def get(cx, key: bytes) -> bytes:
        value = cx.get(key)
        if value is None:
            raise Revert("no such key")
        return value

    @view
    def has(cx, key: bytes) -> bool:
        return cx.get(key) is not None

    def delete(cx, key: bytes):
        cx.delete(key)

    @view
    def scan(cx, start: bytes, end: bytes, limit: u32) -> bytes:
        entries = cx.scan(start, end, limit)
        packed = (u32.encode(len(part)) + part for entry in entries for part in entry)
        return u32.encode(len(entries)) + b"".join(packed)

    def count(cx, key: bytes) -> u64:
        count = u64.decode(cx.get(key) or bytes(8)) + 1
        cx.put(key, u64.encode(count))
        return count

    def emit(cx, topic: str, data: bytes):
        cx.emit(topic, data)

    def change_and_revert(cx, key: bytes, value: bytes, message: str):
        cx.put(key, value)
        cx.emit("changed", key)
        raise Revert(message)

    def fail(cx, message: str):
        raise Revert(message)

    def panic(cx):
        return 1 // 0

    @view
    def add(cx, left: u64, right: u64) -> u64:
        return left + right

    def spin(cx):
        while True:
            pass

    @view
    def compute(cx, turns: u64) -> u64:
        state = 1
        for turn in range(turns):
            state = (state * 6364136223846793005 + turn) % 2**64
        return state

    @view
    def recurse(cx, depth: u64) -> u64:
        return _descend(depth)

    @view
    def allocate(cx, mebibytes: u32) -> u32:
        return len([bytes([number & 255 | 1]) * (1 << 20) for number in range(mebibytes)])

    def forward(cx, to: str, method: str, input: bytes) -> bytes:
        return _answer(cx.call(to, method, input))

    def forward_to(cx, to: Address, method: str, input: bytes) -> bytes:
        return _answer(cx.call(to, method, input))

    @view
    def ask(cx, to: str, method: str, input: bytes) -> bytes:
        return _answer(cx.call(to, method, input, is_static=True))

    def attempt(cx, to: str, method: str, input: bytes) -> bytes:
        reply = cx.call(to, method, input)
        return bytes([reply.status]) + reply.output

    def attempt_with(cx, to: str, method: str, input: bytes, gas: u64, value: u128) -> bytes:
        reply = cx.call(to, method, input, value=value, gas=gas)
        return bytes([reply.status]) + reply.output

    def swallow(cx, key: bytes, value: bytes):
        """Goes on after the host said stop, as no contract should."""
        for operation in (lambda: cx.put(key, value), lambda: cx.get(key)):
            try:
                operation()
            except BaseException:
                pass

    @view
    def caller(cx) -> Address:
        return cx.env.caller

    @view
    def this(cx) -> Address:
        return cx.env.this

    @view
    def env(cx) -> str:
        env = cx.env
        return (
            f"this={env.this} caller={env.caller} origin={env.origin} coinbase={env.coinbase} value=0x{env.value:064x}"
            f" chain_id={env.chain_id} block_number={env.block_number} timestamp={env.timestamp}"
            f" is_static={str(env.is_static).lower()} depth={env.depth}"
        )

    @view
    def address_of(cx, name: str) -> Address:
        return cx.address_of(name)

    @view
    def gas_left(cx) -> u64:
        return cx.gas_left()

    @view
    def charge(cx, gas: u64):
        cx.charge(gas)

    @view
    def log(cx, message: str):
        cx.log(Level.INFO, message)


def _refuse(message):
    if message:
        raise Revert(message)


def _answer(reply):
    if reply.status == Status.SUCCESS:
        return reply.output
    if reply.status == Status.REVERT:
        raise Revert(reply.output.decode(errors="replace"))
    raise Revert("the called contract failed")


def _descend(depth):
    return 0 if depth == 0 else _descend(depth - 1) + 1


if __name__ == "__main__":
    serve(Probe)
