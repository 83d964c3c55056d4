// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.0;

/// Work without state: what the interpreter itself costs.
contract Compute {
    int256 private constant ONE = 1e6;

    /// A chain of keccak256.
    function hashes(uint256 count) external pure returns (bytes32 hash) {
        for (uint256 i = 0; i < count; i++) {
            hash = keccak256(abi.encode(hash, i));
        }
    }

    struct Vector {
        int256 x;
        int256 y;
        int256 z;
    }

    /// Rays from one point through a grid of pixels onto a sphere, in fixed point with six digits; the sum of the distances.
    function rays(int256 side) external pure returns (int256 sum) {
        Vector memory centre = Vector(0, 0, 5 * ONE);
        for (int256 x = -side; x < side; x++) {
            for (int256 y = -side; y < side; y++) {
                Vector memory ray = unit(Vector(x * ONE / side, y * ONE / side, 2 * ONE));
                sum += hit(ray, centre, 2 * ONE);
            }
        }
    }

    function hit(Vector memory ray, Vector memory centre, int256 radius) private pure returns (int256) {
        int256 b = dot(ray, centre);
        int256 d = b * b / ONE - dot(centre, centre) + radius * radius / ONE;
        return d < 0 ? int256(0) : b - root(d * ONE);
    }

    function unit(Vector memory v) private pure returns (Vector memory) {
        int256 length = root(dot(v, v) * ONE);
        return Vector(v.x * ONE / length, v.y * ONE / length, v.z * ONE / length);
    }

    function dot(Vector memory a, Vector memory b) private pure returns (int256) {
        return (a.x * b.x + a.y * b.y + a.z * b.z) / ONE;
    }

    function root(int256 square) private pure returns (int256 guess) {
        int256 next = square / 2 + 1;
        guess = square;
        while (next < guess) {
            guess = next;
            next = (square / next + next) / 2;
        }
    }
}
