//! EVM smart contracts on revm.
