// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Who has and may move how much: what all versions of the token share.
///
/// The order of the variables is the layout of the storage, which an upgrade keeps: only append.
abstract contract Ledger {
    /// What all accounts have together.
    uint256 public totalSupply;
    /// What an account has.
    mapping(address account => uint256) public balanceOf;
    /// What `spender` may still move of `owner`'s.
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    /// The version of this layout.
    uint256 internal schema;

    /// `amount` moved. The zero address stands for nobody: supply comes from and goes to it.
    event Transfer(address indexed from, address indexed to, uint256 amount);
    /// `owner` lets `spender` move up to `amount`.
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    /// The account has less than it is to give.
    error InsufficientBalance(uint256 have, uint256 need);
    /// The caller may move less than it tries to.
    error InsufficientAllowance(uint256 have, uint256 need);

    /// Moves `amount` from the caller to `to`.
    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    /// Lets `spender` move up to `amount` of the caller's, in place of what it was allowed before.
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    /// Moves `amount` from `from` to `to`, out of what `from` allowed the caller.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 have = allowance[from][msg.sender];
        if (amount > have) revert InsufficientAllowance(have, amount);
        allowance[from][msg.sender] = have - amount;
        move(from, to, amount);
        return true;
    }

    function move(address from, address to, uint256 amount) private {
        take(from, amount);
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }

    function take(address from, uint256 amount) internal {
        uint256 have = balanceOf[from];
        if (amount > have) revert InsufficientBalance(have, amount);
        balanceOf[from] = have - amount;
    }
}
