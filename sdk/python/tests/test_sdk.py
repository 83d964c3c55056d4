"""The SDK against the documented bytes: python3 -m unittest discover -s sdk/python/tests"""

import io
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vm_sdk import Contract, Revert, init, serve, u8, u64, view, wire  # noqa: E402
from vm_sdk import abi  # noqa: E402


def documented():
    """The frames of docs/container-protocol.md: who sends what, and the bytes."""
    text = (ROOT.parents[1] / "docs/container-protocol.md").read_text()
    frames = []
    for block in text.split("```frames\n")[1:]:
        for line in block.split("```")[0].splitlines():
            if line.startswith("  "):
                frames[-1][1].extend(bytes.fromhex(line))
            else:
                frames.append((line, bytearray()))
    return dict((name, bytes(data)) for name, data in frames)


class Example(Contract):
    """The contract of the document."""

    def count(cx) -> u8:
        count = u8.decode(cx.get(b"n") or b"\0") + 1
        cx.put(b"n", u8.encode(count))
        return count

    def both(cx) -> bytes:
        return repr(cx.get_many([b"n", b"m"])).encode()

    def first(cx) -> bytes:
        return repr(cx.scan(b"a", b"", 1)).encode()

    def wrong(cx):
        return {}["nothing"]

    def absent(cx):
        open("/nothing")

    def threads(cx):
        raise RuntimeError("can't start new thread")

    def memory(cx):
        raise MemoryError

    def refuse(cx, why: str):
        raise Revert(why)

    def surrogate(cx):
        raise Revert("no \udcff")

    def surrogate_trap(cx):
        raise KeyError("\ud800")

    def speechless(cx):
        raise Speechless

    def charge(cx):
        cx.charge(2**70)

    def owe(cx):
        cx.charge(-1)

    def page(cx):
        cx.scan(b"", b"", 2**32)

    def shout(cx):
        cx.log(2**32, "")

    def nothing(cx):
        cx.put(b"n", None)

    def zero(cx):
        cx.emit("n", 0)

    def empty_list(cx):
        cx.get([])

    def burst(cx):
        try:
            cx.put(b"n", bytes(17 << 20))
        except Exception:
            pass
        cx.put(b"n", b"")

    def swallow(cx):
        try:
            cx.put(b"n", bytes(17 << 20))
        except BaseException:
            pass

    def much(cx) -> bytes:
        return bytes(17 << 20)

    def ignore(cx):
        try:
            cx.get(b"n")
        except Exception:
            pass
        cx.put(b"n", b"")


class Speechless(Exception):
    def __str__(self):
        raise ValueError


class Host:
    @classmethod
    def of(cls, sock):
        """Of a process that has connected."""
        host = cls.__new__(cls)
        host.sock = sock
        return host

    def __init__(self, contract):
        self.sock, self.theirs = socket.socketpair()
        self.thread = threading.Thread(target=serve, args=(contract, self.theirs), daemon=True)
        self.thread.start()

    def close(self):
        self.sock.close()
        self.thread.join(10)
        self.theirs.close()

    def expect(self, data):
        found = b""
        while len(found) < len(data):
            found += self.sock.recv(len(data) - len(found))
        assert found == data, f"{found.hex(' ')} instead of {data.hex(' ')}"

    def call(self, method, data=b"", entry=2):
        call = wire.number(1, entry) + wire.content(2, method) + wire.content(3, data) + wire.number(8, 1)
        frame = wire.present(wire.CALL, call)
        self.sock.sendall(len(frame).to_bytes(4, "little") + frame)

    def frame(self):
        length = int.from_bytes(self.sock.recv(4), "little")
        message = wire.Message(self.sock.recv(length, socket.MSG_WAITALL))
        return message.only()

    def returned(self):
        kind, message = self.frame()
        assert kind == wire.RETURN, kind
        message = wire.Message(message)
        return message.number(1), message.bytes(2)


class Wire(unittest.TestCase):
    def setUp(self):
        self.host = Host(Example)
        kind, hello = self.host.frame()
        self.assertEqual(kind, wire.HELLO)
        self.assertIn("count() -> u8\n", wire.Message(hello).text(2) + "\n")

    def tearDown(self):
        self.host.close()

    def test_the_documented_conversation(self):
        frames = documented()
        self.host.sock.sendall(frames["host Call"])
        self.host.expect(frames["contract Get"])
        self.host.sock.sendall(frames["host Value"])
        self.host.expect(frames["contract Put"] + frames["contract Return"])

    def test_batches_and_pages(self):
        frames = documented()
        self.host.call("both")
        self.host.expect(frames["contract GetMany"])
        self.host.sock.sendall(frames["host Values"])
        self.assertEqual(self.host.returned()[1][4:], b"[b'\\x04', None]")
        self.host.call("first")
        self.host.expect(frames["contract Scan"])
        self.host.sock.sendall(frames["host Entries"])
        self.assertEqual(self.host.returned()[1][4:], b"[(b'n', b'\\x04')]")

    def test_refusals_and_exceptions(self):
        self.host.call("refuse", abi.u32.encode(2) + b"no")
        self.assertEqual(self.host.returned(), (2, b"no"))
        self.host.call("wrong")
        self.assertEqual(self.host.returned(), (3, b"KeyError: 'nothing'"))
        self.host.call("refuse", b"\x09\0\0\0x")
        self.assertEqual(self.host.returned(), (2, b"refuse: argument 'why' is no valid string"))
        self.host.call("nobody")
        self.assertEqual(self.host.returned(), (2, b"unknown method 'nobody'"))
        self.host.call("init", entry=1)
        self.assertEqual(self.host.returned(), (2, b"the contract has no init"))

    def test_whatever_a_failure_says_it_is_the_contracts_own(self):
        self.host.call("surrogate")
        self.assertEqual(self.host.returned(), (2, b"no \\udcff"))
        self.host.call("surrogate_trap")
        self.assertEqual(self.host.returned(), (3, b"KeyError: '\\ud800'"))
        self.host.call("speechless")
        self.assertEqual(self.host.returned(), (3, b"Speechless: its text raises ValueError"))

    def test_numbers_that_no_field_holds_are_refused(self):
        for method, bits in [("charge", 64), ("owe", 64), ("page", 32), ("shout", 32)]:
            self.host.call(method)
            status, text = self.host.returned()
            self.assertEqual(status, 3, method)
            self.assertRegex(text.decode(), rf"^OverflowError: .* is no number of {bits} bits")

    def test_what_is_neither_text_nor_bytes_is_refused(self):
        for method, found in [("nothing", "NoneType"), ("zero", "int"), ("empty_list", "list")]:
            self.host.call(method)
            told = f"TypeError: text or bytes were expected, not {found}".encode()
            self.assertEqual(self.host.returned(), (3, told), method)

    def test_who_says_more_than_a_frame_holds_is_stopped(self):
        for method in ("burst", "swallow"):
            self.host.call(method)
            self.assertEqual(self.host.returned(), (3, b""), method)
        self.host.call("much")
        status, text = self.host.returned()
        self.assertEqual(status, 3)
        self.assertIn(b"the limit is 16777216", text)

    def test_a_value_for_each_key_is_expected(self):
        self.host.call("both")
        self.host.frame()
        with mock.patch("threading.excepthook") as ended:
            self.host.sock.sendall(documented()["host Values"][:4].replace(b"\x09", b"\x07") + b"\x42\x05\x0a\x03\x0a\x01\x04")
            self.assertEqual(self.host.sock.recv(1), b"", "the connection ends")
            self.host.close()
            self.assertEqual(ended.call_args[0][0].exc_type.__name__, "Broken")

    def test_what_the_machine_refuses_is_no_result(self):
        for method in ("absent", "threads", "memory"):
            with self.subTest(method), mock.patch("threading.excepthook") as ended:
                host = Host(Example)
                host.frame()
                host.call(method)
                self.assertEqual(host.sock.recv(1), b"", "the connection ends")
                host.close()
                self.assertEqual(ended.call_args[0][0].exc_type.__name__, "Refused")

    def test_a_stop_passes_by_handlers_of_exceptions(self):
        self.host.call("ignore")
        self.assertEqual(self.host.frame()[0], wire.GET)
        self.host.sock.sendall(b"\x02\0\0\0\x12\0")
        self.assertEqual(self.host.returned(), (3, b""))

    def test_it_ends_when_the_host_hangs_up(self):
        self.host.close()
        self.assertFalse(self.host.thread.is_alive())


class Printing(unittest.TestCase):
    def test_a_line_is_written_when_it_is_printed(self):
        read, write = os.pipe()
        os.set_blocking(read, False)
        with open(write, "w") as stdout, mock.patch("sys.stdout", stdout):
            host = Host(Example)
            host.frame()
            print("a line")
            self.assertEqual(os.read(read, 100), b"a line\n")
            host.close()
        os.close(read)

    def test_streams_of_the_programs_own_are_left_alone(self):
        for stream in (io.StringIO(), None):
            with mock.patch("sys.stdout", stream):
                host = Host(Example)
                self.assertEqual(host.frame()[0], wire.HELLO)
                host.close()


class Fresh(unittest.TestCase):
    def test_each_call_has_a_process_and_a_bad_end_is_passed_on(self):
        calls = []

        class Remembers(Contract):
            def calls(cx) -> u64:
                calls.append(1)
                return len(calls)

            def die(cx):
                os._exit(7)

        ours, theirs = socket.socketpair()
        server = os.fork()
        if server == 0:
            ours.close()
            os.environ["VM_ISOLATION"] = "call"
            code = 1
            try:
                serve(Remembers, theirs)
            except SystemExit as end:
                code = end.code
            finally:
                os._exit(code)
        theirs.close()
        host = Host.__new__(Host)
        host.sock = ours
        kind, hello = host.frame()
        self.assertEqual((kind, wire.Message(hello).number(4)), (wire.HELLO, 1))
        for _ in range(2):
            host.call("calls")
            self.assertEqual(host.returned(), (1, u64.encode(1)))
        host.call("die")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]), 7)
        ours.close()


class Lanes(unittest.TestCase):
    def test_a_contract_begins_at_one_depth_of_the_stack_on_every_connection_and_in_every_child(self):
        program = (
            "import sys\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            "from vm_sdk import Contract, serve, u64, view\n"
            "class Deep(Contract):\n"
            "    concurrency = 3\n"
            "    @view\n"
            "    def depth(cx) -> u64:\n"
            "        frame, depth = sys._getframe(), 0\n"
            "        while frame:\n"
            "            frame, depth = frame.f_back, depth + 1\n"
            "        return depth\n"
            "serve(Deep)\n"
        )
        depths = []
        for lanes, isolation in [(1, "contract"), (3, "contract"), (1, "call")]:
            with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
                path = os.path.join(folder, "socket")
                listener.bind(path)
                listener.listen()
                env = dict(os.environ, VM_SOCKET=path, VM_CONCURRENCY=str(lanes), VM_ISOLATION=isolation)
                with subprocess.Popen([sys.executable, "-c", program], env=env) as process:
                    hosts = [Host.of(listener.accept()[0]) for _ in range(lanes)]
                    for host in hosts:
                        self.assertEqual(host.frame()[0], wire.HELLO)
                    for host in hosts:
                        host.call("depth")
                        depths.append(host.returned())
                        host.sock.close()
                self.assertEqual(process.returncode, 0)
        self.assertEqual(depths, [depths[0]] * 5)

    def test_a_connection_answers_while_its_greeting_is_still_being_sent(self):
        class Slow:
            """Its host answers what it gets before the sending of it has returned."""

            def __init__(self):
                self.sent = []

            def sendall(self, data):
                self.sent.append(bytes(data))
                if len(self.sent) == 1:
                    with memoryview(data):
                        connection.send(wire.RETURN, b"")

        slow = Slow()
        connection = wire.Connection(slow)
        connection.send(wire.HELLO, b"")
        frames = [len(frame).to_bytes(4, "little") + frame for frame in (wire.present(wire.HELLO, b""), wire.present(wire.RETURN, b""))]
        self.assertEqual(slow.sent, frames)


class Abi(unittest.TestCase):
    def test_types_have_their_bytes(self):
        for kind, value, data in [
            (abi.u8, 255, b"\xff"), (abi.i16, -2, b"\xfe\xff"), (abi.u128, 1, b"\1" + bytes(15)),
            (abi.type_of(bool, ""), True, b"\1"), (abi.type_of(str, ""), "ü", b"\2\0\0\0\xc3\xbc"),
            (abi.type_of(abi.Address, ""), abi.Address(b"\1" * 20), b"\1" * 20),
        ]:
            self.assertEqual((kind.encode(value), kind.decode(data)), (data, value))
        for kind, wrong in [(abi.u8, b""), (abi.type_of(bool, ""), b"\2"), (abi.u8, b"\0\0")]:
            self.assertRaises(ValueError, kind.decode, wrong)
        self.assertRaises(OverflowError, abi.u8.encode, 256)

    def test_an_interface_is_what_the_class_says(self):
        class Small(Contract):
            @init
            def init(cx, owner: abi.Address):
                pass

            @view
            def sum(cx, a: u8, b: bytes) -> bool:
                pass

            def _own(cx):
                pass

        from vm_sdk.contract import Methods

        self.assertEqual(Methods(Small).interface, "init(owner: address)\nview sum(a: u8, b: bytes) -> bool")
        self.assertRaises(TypeError, Methods, type("Bad", (), {"f": lambda cx, a: a}))


if __name__ == "__main__":
    unittest.main()
