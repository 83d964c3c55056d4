// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// The third version of Ledger: the same storage, and a function that migrates it, up and down.
contract LedgerV3 {
    event Migrated(string from, string to);

    mapping(address => uint256) public balanceOf;
    uint256 public total;
    uint256 public schema;
    uint256 public immutable step;
    string public last;
    address public by;
    uint256 public paid;
    bytes public answer;

    constructor(uint256 step_) payable {
        require(step_ > 0, "step must not be zero");
        step = step_;
        schema = 99;
        paid = msg.value;
        emit Migrated("a", "constructor");
    }

    /// `data`: nothing, a byte to fail with that many loops, or an address and what to call there.
    function upgrade(string calldata from, string calldata to, bytes calldata data) external payable {
        require(data.length != 1, "not yet");
        while (data.length == 2) {}
        if (data.length >= 20) {
            (, answer) = address(bytes20(data[:20])).call(data[20:]);
        }
        last = string.concat(from, " -> ", to);
        by = msg.sender;
        paid += msg.value;
        schema = keccak256(bytes(to)) == keccak256("1") ? 1 : 3;
        emit Migrated(from, to);
    }

    /// Calls itself, as another contract would, or with its own code for itself.
    function again(bool delegated) external returns (bool ok, bytes memory reason) {
        bytes memory data = abi.encodeWithSelector(this.upgrade.selector, "x", "y", "");
        if (delegated) {
            return address(this).delegatecall(data);
        }
        return address(this).call(data);
    }
}
