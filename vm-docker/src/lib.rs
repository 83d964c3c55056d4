//! Smart contracts in hardened containers, run through containerd.
