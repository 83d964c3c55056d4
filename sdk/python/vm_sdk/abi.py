"""The types of arguments and results, and their bytes (borsh)."""


class Type:
    """A type: its name in interfaces, and how values become bytes and back."""

    def __init__(self, name, encode, take):
        self.name = name
        self.encode = encode
        self.take = take

    def __repr__(self):
        return self.name

    def decode(self, data):
        """The value that all of these bytes are."""
        value, rest = self.take(data)
        if rest:
            raise ValueError(f"{len(rest)} bytes follow after {self.name}")
        return value


def _cut(data, length):
    if len(data) < length:
        raise ValueError(f"{length} bytes are expected, there are {len(data)}")
    return data[:length], data[length:]


def _integer(name, size, signed):
    def encode(value):
        return int(value).to_bytes(size, "little", signed=signed)

    def take(data):
        head, rest = _cut(data, size)
        return int.from_bytes(head, "little", signed=signed), rest

    return Type(name, encode, take)


u8, u16, u32, u64, u128 = (_integer(f"u{8 * size}", size, False) for size in (1, 2, 4, 8, 16))
i8, i16, i32, i64, i128 = (_integer(f"i{8 * size}", size, True) for size in (1, 2, 4, 8, 16))


def _encode_bytes(value):
    return u32.encode(len(value)) + bytes(value)


def _take_bytes(data):
    length, rest = u32.take(data)
    return _cut(rest, length)


def _take_text(data):
    head, rest = _take_bytes(data)
    return head.decode(), rest


def _take_bool(data):
    value, rest = u8.take(data)
    if value > 1:
        raise ValueError(f"{value} is no bool")
    return value == 1, rest


class Address(bytes):
    """20 bytes. Its text is hexadecimal."""

    def __new__(cls, value=bytes(20)):
        if len(value) != 20:
            raise ValueError(f"an address has 20 bytes, not {len(value)}")
        return super().__new__(cls, value)

    def __str__(self):
        return "0x" + self.hex()


def _take_address(data):
    head, rest = _cut(data, 20)
    return Address(head), rest


_TYPES = {
    bool: Type("bool", lambda value: u8.encode(bool(value)), _take_bool),
    str: Type("string", lambda value: _encode_bytes(value.encode()), _take_text),
    bytes: Type("bytes", _encode_bytes, _take_bytes),
    Address: Type("address", lambda value: bytes(Address(value)), _take_address),
}


def type_of(annotation, where):
    """The type that an annotation means."""
    found = annotation if isinstance(annotation, Type) else _TYPES.get(annotation)
    if found is None:
        raise TypeError(f"{where}: expected bool, u8 to u128, i8 to i128, str, bytes or Address, not {annotation!r}")
    return found
