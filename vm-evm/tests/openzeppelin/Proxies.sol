// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {BeaconProxy} from "@openzeppelin/contracts/proxy/beacon/BeaconProxy.sol";
import {UpgradeableBeacon} from "@openzeppelin/contracts/proxy/beacon/UpgradeableBeacon.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// A counter behind a proxy that its own code upgrades.
contract CounterV1 is Initializable, UUPSUpgradeable {
    address public owner;
    uint256 public count;

    event Counted(address indexed by, uint256 count);

    error TooMuch(uint256 asked, uint256 most);

    function initialize(address owner_, uint256 start) external initializer {
        owner = owner_;
        count = start;
    }

    function add(uint256 n) external virtual {
        if (n > 100) revert TooMuch(n, 100);
        count += n;
        emit Counted(msg.sender, count);
    }

    function version() external pure virtual returns (uint256) {
        return 1;
    }

    function _authorizeUpgrade(address) internal view override {
        require(msg.sender == owner, "only the owner");
    }
}

contract CounterV2 is CounterV1 {
    function add(uint256 n) external override {
        count += 2 * n;
        emit Counted(msg.sender, count);
    }

    function version() external pure override returns (uint256) {
        return 2;
    }
}

/// Makes minimal proxies of a counter.
contract Factory {
    event Cloned(address made);

    function clone(address implementation) external returns (address made) {
        made = Clones.clone(implementation);
        emit Cloned(made);
    }

    function cloneAt(address implementation, bytes32 salt) external returns (address made) {
        made = Clones.cloneDeterministic(implementation, salt);
        emit Cloned(made);
    }

    function predict(address implementation, bytes32 salt) external view returns (address) {
        return Clones.predictDeterministicAddress(implementation, salt);
    }
}

/// Proxies as they are, under names of this file.
contract Proxy is ERC1967Proxy {
    constructor(address implementation, bytes memory data) ERC1967Proxy(implementation, data) {}
}

contract Beacon is UpgradeableBeacon {
    constructor(address implementation, address owner_) UpgradeableBeacon(implementation, owner_) {}
}

contract BeaconUser is BeaconProxy {
    constructor(address beacon, bytes memory data) BeaconProxy(beacon, data) {}
}
