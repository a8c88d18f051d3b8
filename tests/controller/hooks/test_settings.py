"""What an operator may say of hooks, and for which keys a hook is."""

import pytest

from lockgate.controller import config
from lockgate.controller.hooks.settings import Hook, HookAction, Hooks, LeakedKey
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.scan.protected import KeyRecord
from lockgate.scan.report import FindingClass
from lockgate.wire.settings import SettingsError

PRINT = "sha256:" + "ab" * 32


def load(tmp_path, text):
    """The hooks of a settings file."""
    (tmp_path / "controller.toml").write_text(text)
    return config.load(flags={"state_dir": tmp_path}, environment={}).hooks


def test_both_kinds_of_hooks_are_read(tmp_path):
    """Paging is the default."""
    text = """
[[hooks]]
name = "pager"
url = "https://pager.example.internal/x"
secret_file = "/etc/lockgate/pager.secret"
[[hooks]]
name = "revoke-tokens"
action = "revoke"
keys = ["token-signing"]
classes = ["private"]
command = ["/usr/local/sbin/revoke", "--now"]
time_limit_seconds = 5
"""
    pager, revoke = load(tmp_path, text)
    assert (pager.action, pager.webhook.url) == (
        HookAction.PAGE,
        "https://pager.example.internal/x",
    )
    assert (revoke.action, revoke.webhook) == (HookAction.REVOKE, None)
    assert revoke.command == ("/usr/local/sbin/revoke", "--now")
    assert (revoke.classes, revoke.time_limit_seconds) == ((FindingClass.PRIVATE,), 5.0)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('name = "x"', "command"),
        ('name = "x"\ncommand = ["/x"]\nurl = "https://x/"\nsecret_file = "/x"', "not both"),
        ('name = "x"\ncommand = ["x"]', "absolute"),
        ('name = "x"\ncommand = "/bin/x y"', "list"),
        ('name = "X"\ncommand = ["/x"]', "name"),
        ('name = "x"\nurl = "http://pager.example/"\nsecret_file = "/x"', "https"),
        ('name = "x"\nurl = "https://pager.example/"', "secret_file"),
        ('name = "x"\ncommand = ["/x"]\naction = "delete"', "page, revoke"),
        ('name = "x"\ncommand = ["/x"]\ntime_limit_seconds = 0', "time_limit_seconds"),
        ('name = "x"\ncommand = ["/x"]\nclasses = ["all"]', "classes"),
        ('name = "x"\ncommand = ["/x"]\nshell = true', "shell"),
        ('name = "x"\ncommand = ["/x"]\n[[hooks]]\nname = "x"\ncommand = ["/x"]', "two"),
    ],
)
def test_a_wrong_hook_is_an_error(tmp_path, lines, fault):
    """The controller does not start with it."""
    with pytest.raises(SettingsError, match=fault):
        load(tmp_path, f"[[hooks]]\n{lines}\n")


@pytest.mark.parametrize("class_", list(FindingClass))
def test_a_hook_without_keys_or_classes_is_for_protected_keys(class_):
    """And for no others."""
    hook = Hook("x", command=("/x",))
    expected = class_ is FindingClass.PROTECTED
    assert hook.is_for(LeakedKey(PRINT, class_, None)) is expected


def test_a_hook_is_chosen_by_name_fingerprint_class_or_registration(samples):
    """Any of them is enough; a key without a hook is not listed."""
    protected = samples.finding(class_=FindingClass.PROTECTED, protected_name="token-signing")
    other = samples.finding(fingerprint="sha256:" + "cd" * 32)
    hooks = Hooks(
        (
            Hook("by-name", keys=("token-signing",), command=("/x",)),
            Hook("by-print", keys=(PRINT,), command=("/x",)),
            Hook("by-class", classes=(FindingClass.PROTECTED,), command=("/x",)),
            Hook("by-record", keys=("nothing",), command=("/x",)),
            Hook("never", keys=("nothing",), command=("/x",)),
        )
    )
    keys = ProtectedKeys({PRINT: "token-signing"}, {PRINT: KeyRecord(hooks=("by-record",))})
    chosen = hooks.chosen([protected, other], keys)
    assert {key: [hook.name for hook in found] for key, found in chosen.items()} == {
        PRINT: ["by-name", "by-print", "by-class", "by-record"]
    }
