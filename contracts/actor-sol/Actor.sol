// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Does what its call data says, which is a program of the instructions that contracts/actor describes, but that a call has no
/// method: code 5 takes flags, address (20), value, gas (8), length of the call data (2), call data. Key `k` is slot `k`, and a slot that
/// is 0 is no key. Events have the number as their only topic. A panic is INVALID.
contract Actor {
    fallback() external payable {
        assembly {
            // The number of `size` bytes at `at`.
            function operand(at, size) -> n {
                n := shr(sub(256, mul(8, size)), calldataload(at))
            }
            // Writes the number at `at` so many times.
            function fill(out, at) {
                let end := add(out, operand(add(at, 1), 2))
                for {} lt(out, end) { out := add(out, 1) } {
                    mstore8(out, operand(at, 1))
                }
            }
            // Makes the call at `at`, and writes what it tells; returns where that ends.
            function perform(at, out) -> end {
                let length := operand(add(at, 30), 2)
                calldatacopy(out, add(at, 32), length)
                let ok
                switch and(operand(at, 1), 1)
                case 0 {
                    ok := call(operand(add(at, 22), 8), operand(add(at, 1), 20), operand(add(at, 21), 1), out, length, 0, 0)
                }
                default {
                    ok := staticcall(operand(add(at, 22), 8), operand(add(at, 1), 20), out, length, 0, 0)
                }
                mstore8(out, ok)
                end := add(out, 1)
                if or(ok, and(operand(at, 1), 2)) {
                    mstore8(end, shr(8, returndatasize()))
                    mstore8(add(end, 1), returndatasize())
                    returndatacopy(add(end, 2), 0, returndatasize())
                    end := add(add(end, 2), returndatasize())
                }
            }
            // The output begins at 0x80.
            let out := 0x80
            let at := 0
            for {} lt(at, calldatasize()) {} {
                let op := operand(at, 1)
                at := add(at, 1)
                switch op
                case 0 {
                    sstore(operand(at, 1), operand(add(at, 1), 1))
                    at := add(at, 2)
                }
                case 1 {
                    sstore(operand(at, 1), 0)
                    at := add(at, 1)
                }
                case 2 {
                    mstore8(out, sload(operand(at, 1)))
                    out := add(out, 1)
                    at := add(at, 1)
                }
                case 3 {
                    let count := 0
                    let end := operand(add(at, 1), 1)
                    for { let key := operand(at, 1) } lt(key, end) { key := add(key, 1) } {
                        let value := sload(key)
                        if value {
                            count := add(count, 1)
                            mstore8(add(out, count), value)
                        }
                    }
                    mstore8(out, count)
                    out := add(out, add(count, 1))
                    at := add(at, 2)
                }
                case 4 {
                    log1(0, 0, operand(at, 1))
                    at := add(at, 1)
                }
                case 5 {
                    let end := perform(at, out)
                    at := add(add(at, 32), operand(add(at, 30), 2))
                    out := end
                }
                case 6 {
                    fill(out, at)
                    revert(out, operand(add(at, 1), 2))
                }
                case 8 {
                    for {} 1 {} {}
                }
                case 9 {
                    at := calldatasize()
                }
                case 10 {
                    mstore(out, shl(96, caller()))
                    mstore8(add(out, 20), callvalue())
                    out := add(out, 21)
                }
                case 11 {
                    fill(out, at)
                    out := add(out, operand(add(at, 1), 2))
                    at := add(at, 3)
                }
                default {
                    invalid()
                }
            }
            return(0x80, sub(out, 0x80))
        }
    }
}
