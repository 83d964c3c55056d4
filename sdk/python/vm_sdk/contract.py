"""From a class to an interface, and from a call to a method."""

import inspect

from . import abi


class Revert(Exception):
    """Refuses the call: it is undone, and the caller gets the message."""


class Contract:
    """What contracts inherit. Its functions are the methods."""

    # How many calls a process takes at a time, each on a thread of its own; the host may allow fewer. More than one is for contracts
    # that wait for other contracts or read much.
    concurrency = 1


def _mark(name):
    def mark(function):
        function.vm_mark = name
        return function

    mark.__name__ = name
    mark.__doc__ = f"Marks a method as {name}."
    return mark


init, upgrade, view = _mark("init"), _mark("upgrade"), _mark("view")

# Entry points of the protocol.
_DEPLOY, _INVOKE, _UPGRADE = 1, 2, 3


class _Method:
    def __init__(self, function):
        self.function = function
        self.name = function.__name__
        self.mark = getattr(function, "vm_mark", None)
        signature = inspect.signature(function)
        where = f"{function.__qualname__}"
        arguments = list(signature.parameters.values())[1:]
        if self.mark == "upgrade":
            # The versions are no arguments.
            arguments = arguments[2:]
        self.arguments = [(each.name, abi.type_of(each.annotation, f"{where}, {each.name}")) for each in arguments]
        result = signature.return_annotation
        self.result = None if result in (None, inspect.Signature.empty) else abi.type_of(result, f"{where}, result")

    def line(self):
        arguments = ", ".join(f"{name}: {kind.name}" for name, kind in self.arguments)
        result = f" -> {self.result.name}" if self.result else ""
        return f"{'view ' if self.mark == 'view' else ''}{self.name}({arguments}){result}"

    def run(self, context, first, data):
        values = []
        for name, kind in self.arguments:
            try:
                value, data = kind.take(data)
            except ValueError:
                raise Revert(f"{self.name}: argument '{name}' is no valid {kind.name}") from None
            values.append(value)
        if data:
            raise Revert(f"{self.name}: {len(data)} bytes follow after the arguments")
        output = self.function(context, *first, *values)
        return self.result.encode(output) if self.result else b""


class Methods:
    """The methods of a contract's class."""

    def __init__(self, contract):
        functions = [each for name, each in vars(contract).items() if callable(each) and name[:1].isalpha()]
        methods = [_Method(function) for function in functions]
        self._methods = {method.name: method for method in methods if method.mark in (None, "view")}
        self._entries = {method.mark: method for method in methods if method.mark in ("init", "upgrade")}
        self.interface = "\n".join(method.line() for method in methods)

    def perform(self, context, call):
        """Performs a call; the bytes that it returns."""
        entry, name, data = call.number(1), call.text(2), call.bytes(3)
        if entry == _INVOKE:
            if name not in self._methods:
                raise Revert(f"unknown method '{name}'")
            return self._methods[name].run(context, (), data)
        mark = "init" if entry == _DEPLOY else "upgrade"
        if mark not in self._entries:
            raise Revert(f"the contract has no {mark}")
        versions = (call.text(4), call.text(5)) if entry == _UPGRADE else ()
        return self._entries[mark].run(context, versions, data)
