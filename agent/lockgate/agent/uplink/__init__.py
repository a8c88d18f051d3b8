"""The way to the controller: this host's identity, the durable spool and the calls."""
