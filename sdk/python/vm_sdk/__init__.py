"""Smart contracts in Python, for the container runtime of vm. Nothing but the standard library is needed.

    from vm_sdk import Contract, Revert, init, serve, u64, view

    class Counter(Contract):
        @init
        def init(cx, start: u64):
            cx.put(b"count", u64.encode(start))

        def add(cx, amount: u64) -> u64:
            count = u64.decode(cx.get(b"count")) + amount
            if count > 1_000_000:
                raise Revert("that is too much")
            cx.put(b"count", u64.encode(count))
            return count

        @view
        def count(cx) -> u64:
            return u64.decode(cx.get(b"count"))

    if __name__ == "__main__":
        serve(Counter)

Every function of the class whose name begins with a letter is a method. Its first argument is the context; the others, and what it
returns, have types: bool, u8 to u128, i8 to i128, str, bytes, Address.

An exception is a trap: the call fails and is undone. Raise Revert to refuse. What a method does may depend on its arguments and
the context alone: no clock, no random numbers, no order of sets, no floats, nothing that is kept in variables between calls.
"""

from .abi import Address, i8, i16, i32, i64, i128, u8, u16, u32, u64, u128
from .context import Context, Environment, Level, Reply, Status, Stop
from .contract import Contract, Revert, init, upgrade, view
from .serve import serve

__all__ = [
    "Address", "Context", "Contract", "Environment", "Level", "Reply", "Revert", "Status", "Stop", "init", "serve",
    "upgrade", "view", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128",
]
__version__ = "0.1.0"
