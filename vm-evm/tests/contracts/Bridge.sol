// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// How a Solidity contract calls a contract of another runtime.
interface Foreign {
    function call(string calldata method, bytes calldata input) external payable returns (bytes memory);
}

contract Bridge {
    event Step(uint256 n);

    uint256 public stored;

    function forward(address to, string calldata method, bytes calldata input) external payable returns (bytes memory) {
        return Foreign(to).call{value: msg.value}(method, input);
    }

    function look(address to, string calldata method, bytes calldata input) external view returns (bytes memory) {
        (bool ok, bytes memory output) = to.staticcall(abi.encodeCall(Foreign.call, (method, input)));
        require(ok, "static call failed");
        return abi.decode(output, (bytes));
    }

    function attempt(address to, string calldata method, bytes calldata input) external returns (bool ok, bytes memory output) {
        return to.call(abi.encodeCall(Foreign.call, (method, input)));
    }

    function borrow(address to, string calldata method, bytes calldata input) external returns (bool ok, bytes memory output) {
        return to.delegatecall(abi.encodeCall(Foreign.call, (method, input)));
    }

    function around(address to, string calldata method, bytes calldata input) external {
        emit Step(1);
        stored = 1;
        Foreign(to).call(method, input);
        emit Step(2);
    }

    /// The inner call is undone, with all that the other runtime did in it.
    function inTry(address to, string calldata method, bytes calldata input) external {
        try this.thenFail(to, method, input) {} catch {}
        emit Step(9);
    }

    function thenFail(address to, string calldata method, bytes calldata input) external {
        emit Step(3);
        stored = 3;
        Foreign(to).call(method, input);
        revert("no");
    }

    function store(uint256 n) external {
        stored = n;
        emit Step(n);
    }

    function storeAndFail(uint256 n) external {
        stored = n;
        revert("not stored");
    }

    /// Lets another runtime call back in the middle, and reports what it then sees.
    function reenter(address to, string calldata method, bytes calldata input) external returns (uint256, bytes memory) {
        stored = 5;
        bytes memory output = Foreign(to).call(method, input);
        return (stored, output);
    }
}
