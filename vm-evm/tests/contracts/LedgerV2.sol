// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// The second version of Ledger: the same storage, one more function.
contract LedgerV2 {
    event Migrated(uint256 schema);

    mapping(address => uint256) public balanceOf;
    uint256 public total;
    uint256 public schema;
    uint256 public immutable step;
    bool public bare;

    constructor(uint256 step_) {
        require(step_ > 0, "step must not be zero");
        step = step_;
        schema = 2;
        bare = address(this).code.length == 0;
        emit Migrated(2);
    }

    function burn(uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        total -= amount;
    }
}
