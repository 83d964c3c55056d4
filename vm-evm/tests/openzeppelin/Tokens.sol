// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

/// A token that only accounts with a role mint.
contract Coin is ERC20, AccessControl {
    bytes32 public constant MINTER = keccak256("MINTER");

    constructor(string memory name, string memory symbol, uint256 supply) ERC20(name, symbol) {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _mint(msg.sender, supply);
    }

    function mint(address to, uint256 amount) external onlyRole(MINTER) {
        _mint(to, amount);
    }
}

contract Gallery is ERC721("Gallery", "GAL") {
    uint256 public minted;

    function mint(address to) external returns (uint256 id) {
        id = ++minted;
        _safeMint(to, id);
    }
}

contract Items is ERC1155("https://items.example/{id}.json") {
    function mint(address to, uint256[] calldata ids, uint256[] calldata amounts) external {
        _mintBatch(to, ids, amounts, "");
    }
}
