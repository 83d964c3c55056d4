// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import "Borsh.sol";
import "IVmContract.sol";

/// Keeps tokens of a contract that runs on another runtime for those who bring them.
contract Vault {
    using Borsh for bytes;

    event Deposited(address indexed owner, uint128 amount);

    IVmContract public immutable token;
    mapping(address => uint128) public deposits;

    constructor(string memory tokenName) {
        token = VmContracts.named(tokenName);
    }

    /// Takes what the sender allowed this contract to take. All of it is undone when the token refuses.
    function deposit(uint128 amount) external {
        deposits[msg.sender] += amount;
        token.call("transfer_from", bytes.concat(Borsh.encode(msg.sender), Borsh.encode(address(this)), Borsh.encode(amount)));
        emit Deposited(msg.sender, amount);
    }

    /// Gives it back; false, and nothing changed, when the token refuses.
    function withdraw(uint128 amount) external returns (bool) {
        deposits[msg.sender] -= amount;
        try token.call("transfer", bytes.concat(Borsh.encode(msg.sender), Borsh.encode(amount))) {
            return true;
        } catch Error(string memory) {
            deposits[msg.sender] += amount;
            return false;
        }
    }

    /// What all have brought.
    function total() external view returns (uint128) {
        return token.staticCall("balance_of", Borsh.encode(address(this))).toUint();
    }

    /// Asks for a change where none may be.
    function meddle() external view returns (bytes memory) {
        return token.staticCall("approve", bytes.concat(Borsh.encode(msg.sender), Borsh.encode(uint128(1))));
    }

    /// The token's code, as the EVM sees it.
    function tokenSize() external view returns (uint256) {
        return address(token).code.length;
    }
}
