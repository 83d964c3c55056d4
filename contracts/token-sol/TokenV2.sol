// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import "./Ledger.sol";

/// A fungible token, version 2: units can be burned. It takes over the state of version 1.
contract TokenV2 is Ledger {
    /// The state is not that of version 1.
    error UnexpectedSchema(uint256 found);

    /// Takes over the state of version 1. The host alone enters it, in upgrades and the like.
    function upgrade(string calldata, string calldata) external {
        if (schema != 1) revert UnexpectedSchema(schema);
        schema = 2;
    }

    /// Removes `amount` of the caller's from the supply.
    function burn(uint256 amount) external {
        take(msg.sender, amount);
        totalSupply -= amount;
        emit Transfer(msg.sender, address(0), amount);
    }

    /// The version of the state's layout: 2.
    function schemaVersion() external view returns (uint256) {
        return schema;
    }
}
