"""The people of an installation: who they are, what they may do, how they call."""
