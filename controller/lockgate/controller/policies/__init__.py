"""Which policy decides where: versions in the store, rings of hosts, replays of the past."""
