// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Interprets its call data as a script, for random call trees:
///   00 key32 value32                                SSTORE
///   01 topic32                                      LOG1
///   02 kind1 to20 value32 gas32 length2 data        CALL, STATICCALL, DELEGATECALL or CALLCODE; the output gets success,
///                                                   length and the returned data
///   03                                              REVERT
///   04 key32                                        SLOAD, to the output
///   05                                              GAS, to the output
///   06                                              INVALID
///   07                                              REVERT unless the last call succeeded
contract Script {
    fallback() external payable {
        assembly {
            function word(at) -> w {
                w := calldataload(at)
            }
            let start := 0x800
            let out := start
            let at := 0
            let ok := 1
            for {} lt(at, calldatasize()) {} {
                let op := byte(0, word(at))
                at := add(at, 1)
                switch op
                case 0 {
                    sstore(word(at), word(add(at, 32)))
                    at := add(at, 64)
                }
                case 1 {
                    log1(0, 0, word(at))
                    at := add(at, 32)
                }
                case 2 {
                    let kind := byte(0, word(at))
                    let to := shr(96, word(add(at, 1)))
                    let amount := word(add(at, 21))
                    let limit := word(add(at, 53))
                    let length := shr(240, word(add(at, 85)))
                    calldatacopy(out, add(at, 87), length)
                    at := add(add(at, 87), length)
                    if iszero(limit) {
                        limit := gas()
                    }
                    switch kind
                    case 0 {
                        ok := call(limit, to, amount, out, length, 0, 0)
                    }
                    case 1 {
                        ok := staticcall(limit, to, out, length, 0, 0)
                    }
                    case 2 {
                        ok := delegatecall(limit, to, out, length, 0, 0)
                    }
                    default {
                        ok := callcode(limit, to, amount, out, length, 0, 0)
                    }
                    mstore(out, ok)
                    mstore(add(out, 32), returndatasize())
                    returndatacopy(add(out, 64), 0, returndatasize())
                    out := add(add(out, 64), returndatasize())
                }
                case 3 {
                    revert(0, 0)
                }
                case 4 {
                    mstore(out, sload(word(at)))
                    out := add(out, 32)
                    at := add(at, 32)
                }
                case 5 {
                    mstore(out, gas())
                    out := add(out, 32)
                }
                case 7 {
                    if iszero(ok) {
                        revert(0, 0)
                    }
                }
                default {
                    invalid()
                }
            }
            return(start, sub(out, start))
        }
    }
}
