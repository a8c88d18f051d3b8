"""Passwords and tokens in the login files of Docker, npm, kubeadm and netrc(5)."""

from lockgate.formats.logins.prover import LoginFormat

FORMAT = LoginFormat()
