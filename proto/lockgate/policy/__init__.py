"""What a policy means: load it, check its types, decide.

Rules enforced here:

1. A policy is loaded whole or not at all: one typo refuses all of it, with file and line.
2. :func:`decide` is pure and never raises: it needs nothing but its arguments.
3. Below every policy lies a floor that no policy can lower: gaps, protected keys and unknown
   values are never allowed.

The expression engine is imported when a policy is loaded, not before.
"""

from lockgate.policy.decide import decide
from lockgate.policy.load import default_policy, load
from lockgate.policy.model import Policy, PolicyError

__all__ = ["Policy", "PolicyError", "decide", "default_policy", "load"]
