// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.4;

/// A contract of another runtime: native, WASM or container. It has an address as any account has, and is called by an ordinary
/// high-level call. What it refuses reverts the caller with `Error(string)`, unless that catches it; what it did is undone then.
interface IVmContract {
    /// Calls `method`, and returns what it returns, encoded. `args` are its arguments in its own encoding: borsh, for what
    /// is written with vm-sdk (see Borsh.sol). Value and gas go along as with every call; the callee sees this contract as its caller.
    function call(string calldata method, bytes calldata args) external payable returns (bytes memory);

    /// The same, and nothing may be changed by it: neither by the callee nor by whatever that calls. Functions that are `view` use it.
    function staticCall(string calldata method, bytes calldata args) external view returns (bytes memory);
}

/// Contracts by their names.
library VmContracts {
    /// The contract of this name, whatever its runtime. Nothing says whether there is one; a call of nobody fails.
    function named(string memory name) internal pure returns (IVmContract) {
        return IVmContract(address(uint160(uint256(keccak256(abi.encodePacked("vm.contract.v1:", name))))));
    }
}
