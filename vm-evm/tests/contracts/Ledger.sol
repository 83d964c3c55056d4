// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// A contract with one function for everything that the tests look at.
contract Ledger {
    struct Entry {
        address to;
        uint64 amount;
    }

    error TooPoor(address who, uint256 has, uint256 needs);

    event Moved(address indexed from, address indexed to, uint256 amount, string memo);

    mapping(address => uint256) public balanceOf;
    uint256 public total;
    uint256 public schema;
    address public immutable maker;

    constructor(uint256 supply, string memory memo) payable {
        require(supply > 0, "supply must not be zero");
        maker = msg.sender;
        schema = 1;
        total = supply;
        balanceOf[msg.sender] = supply;
        emit Moved(address(0), msg.sender, supply, memo);
    }

    receive() external payable {}

    function move(address to, uint256 amount) public returns (bool) {
        return move(to, amount, "");
    }

    function move(address to, uint256 amount, string memory memo) public returns (bool) {
        uint256 has = balanceOf[msg.sender];
        if (has < amount) revert TooPoor(msg.sender, has, amount);
        balanceOf[msg.sender] = has - amount;
        balanceOf[to] += amount;
        emit Moved(msg.sender, to, amount, memo);
        return true;
    }

    function spread(Entry[] calldata entries) external returns (uint256 sum) {
        for (uint256 i = 0; i < entries.length; i++) {
            move(entries[i].to, entries[i].amount);
            sum += entries[i].amount;
        }
    }

    function divide(int256 a, int256 b) external pure returns (int256 quotient, int256 rest) {
        return (a / b, a % b);
    }

    function increment(uint8 x) external pure returns (uint8) {
        return x + 1;
    }

    function check(bool holds) external pure {
        assert(holds);
    }

    function spin() external pure {
        while (true) {}
    }

    function hog(uint256 length) external pure returns (bytes32) {
        bytes memory block_ = new bytes(length);
        return keccak256(block_);
    }

    function context() external payable returns (address, address, address, uint256, uint256, uint256) {
        return (address(this), msg.sender, tx.origin, msg.value, block.chainid, block.number);
    }

    function pay(address payable to, uint256 amount) external {
        (bool ok, ) = to.call{value: amount}("");
        require(ok, "payment failed");
    }

    function make() external returns (address) {
        return address(new Counter());
    }

    function makeAndFail() external {
        try this.makeAndRevert() {} catch {}
    }

    function makeAndRevert() external {
        new Counter().add(1);
        revert("after all");
    }

    function destroy(address payable heir) external {
        selfdestruct(heir);
    }
}

contract Counter {
    uint256 public sum;

    function add(uint256 n) external returns (uint256) {
        sum += n;
        return sum;
    }
}
