// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import "./Ledger.sol";

/// A fungible token, version 1. Who deploys it owns the whole supply.
contract Token is Ledger {
    constructor(uint256 supply) {
        schema = 1;
        totalSupply = supply;
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }
}
