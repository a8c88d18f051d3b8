"""The agents' streams: who is there, how they are, and what they are told to do."""
