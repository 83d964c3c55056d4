//! Composes the selected runtimes from one configuration: library, embedded store and command line.
