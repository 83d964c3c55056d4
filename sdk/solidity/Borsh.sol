// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.4;

/// borsh, the encoding of arguments and results of contracts that are written with vm-sdk. A method's arguments stand one behind the
/// other: `bytes.concat(Borsh.encode(to), Borsh.encode(uint128(5)))` for `transfer(to: address, amount: u128)`.
library Borsh {
    function encode(bool value) internal pure returns (bytes memory) {
        return abi.encodePacked(value);
    }

    function encode(uint8 value) internal pure returns (bytes memory) {
        return abi.encodePacked(value);
    }

    function encode(uint32 value) internal pure returns (bytes memory) {
        return little(value, 4);
    }

    function encode(uint64 value) internal pure returns (bytes memory) {
        return little(value, 8);
    }

    function encode(uint128 value) internal pure returns (bytes memory) {
        return little(value, 16);
    }

    function encode(address value) internal pure returns (bytes memory) {
        return abi.encodePacked(value);
    }

    /// Of a list of bytes; a string's bytes are the same.
    function encode(bytes memory value) internal pure returns (bytes memory) {
        return bytes.concat(little(value.length, 4), value);
    }

    function encode(string memory value) internal pure returns (bytes memory) {
        return encode(bytes(value));
    }

    /// An unsigned number of up to 16 bytes: all that `data` is.
    function toUint(bytes memory data) internal pure returns (uint128 value) {
        require(data.length <= 16, "Borsh: no number");
        for (uint256 at = data.length; at > 0; at--) {
            value = (value << 8) | uint8(data[at - 1]);
        }
    }

    function toBool(bytes memory data) internal pure returns (bool) {
        require(data.length == 1 && uint8(data[0]) < 2, "Borsh: no bool");
        return data[0] != 0;
    }

    function toAddress(bytes memory data) internal pure returns (address) {
        require(data.length == 20, "Borsh: no address");
        return address(bytes20(data));
    }

    /// A list of bytes, or a string's: all that `data` is.
    function toBytes(bytes memory data) internal pure returns (bytes memory value) {
        require(data.length >= 4, "Borsh: no list");
        uint256 length = uint8(data[0]) | (uint256(uint8(data[1])) << 8) | (uint256(uint8(data[2])) << 16) | (uint256(uint8(data[3])) << 24);
        require(data.length == length + 4, "Borsh: no list");
        value = new bytes(length);
        for (uint256 at = 0; at < length; at++) {
            value[at] = data[at + 4];
        }
    }

    function little(uint256 value, uint256 size) private pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 at = 0; at < size; at++) {
            data[at] = bytes1(uint8(value >> (8 * at)));
        }
    }
}
