"""Users are named from the file of this host, read anew when it changes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.verdicts.accounts import Accounts, parse_passwd
from lockgate.wire.transfer import Opener

PASSWD = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\neve\x1b:x:1000:1000::/:\nbroken:x\n"


def test_users_are_named() -> None:
    """The first name of a number counts, damage is passed over, control characters escaped."""
    assert parse_passwd(PASSWD) == {0: "root", 1000: "eve\\x1b"}


@given(st.text(max_size=200))
def test_no_file_raises(text: str) -> None:
    """Whatever stands in the file, the answer is a table."""
    assert isinstance(parse_passwd(text), dict)


def test_openers_get_the_names_of_now(tmp_path: Path) -> None:
    """User and login user are named; a changed file is read again; a missing one names nobody."""
    passwd = tmp_path / "passwd"
    passwd.write_text("root:x:0:0\nann:x:7:7\n")
    accounts = Accounts(passwd)
    opener = Opener(pid=1, uid=0, login_uid=7)

    named = accounts.named(opener)
    assert named == Opener(pid=1, uid=0, login_uid=7, user="root", login_user="ann")

    passwd.write_text("root:x:0:0\nbob:x:7:7\nmore:x:8:8\n")
    again = accounts.named(opener)
    assert again is not None
    assert again.login_user == "bob"

    passwd.unlink()
    assert accounts.named(opener) == opener
    assert accounts.named(None) is None
