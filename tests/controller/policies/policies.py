"""Policies in a few words, for the tests of this folder."""

from lockgate.controller.policies.content import write
from lockgate.policy.document import Source

TEXT = """\
apiVersion: lockgate.dev/v1
kind: TransferPolicy
metadata: {{name: {name}}}
spec:
  rules:
    - {{name: {rule}, expression: "{expression}", verdict: {verdict}}}
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, actions: [Deny]}}
"""


def text(verdict="BLOCK", expression="true", rule="everything", name="p"):
    """The document of a policy of one rule."""
    return TEXT.format(verdict=verdict, expression=expression, rule=rule, name=name)


def content(**words):
    """The content of such a policy."""
    return write([Source("policy.yaml", text(**words))])
