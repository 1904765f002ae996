//! A whole herd in one thread from one seed: network, faults, oracles, scenarios as data.
