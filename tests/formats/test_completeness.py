"""A format that forgets its rule, its vectors or its line in the list is noticed here."""

from __future__ import annotations

from pathlib import Path

import pytest
import yara

from lockgate import formats
from lockgate.formats.published import is_published, published_keys
from lockgate.scan.evidence import NeedsPublic, Proven, Refuted, Undecided

FOLDER = Path(formats.__file__).parent
FOLDERS = sorted(p.name for p in FOLDER.iterdir() if p.is_dir() and not p.name.startswith("_"))


def test_every_folder_is_in_the_list():
    """The folders and the list are the same, each name once."""
    names = [form.name for form in formats.ALL]
    assert sorted(names) == FOLDERS


@pytest.mark.parametrize("form", formats.ALL, ids=lambda f: f.name)
def test_rules_bear_the_name_of_their_format(form):
    """So that a match leads back to its format."""
    rules = list(yara.compile(source=form.rule_source))
    assert rules
    assert all(rule.identifier.startswith(form.name) for rule in rules)


@pytest.mark.parametrize("form", formats.ALL, ids=lambda f: f.name)
def test_reach_is_bounded(form):
    """No prover may ask for more than 64 KiB."""
    assert all(0 <= reach <= 1 << 16 for reach in form.reach)


@pytest.mark.parametrize("name", FOLDERS)
def test_every_kind_of_vector_is_there_with_its_notice(name):
    """Positive, damaged, look-alike, and the sentence that these are test keys."""
    vectors = FOLDER / name / "vectors"
    kinds = {p.name.split("-")[0] for p in vectors.glob("*.bin")}
    assert kinds == {"positive", "damaged", "look"}
    assert "Test keys" in (vectors / "README").read_text()


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*/vectors/*.bin")), ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_vectors_end_as_their_names_say(path, judge):
    """Positive: proven by this format; damaged: finding or gap; look-alike: refuted."""
    judgements = judge(path.read_bytes())
    settled = [j.otherwise if isinstance(j, NeedsPublic) else j for j in judgements]
    if path.name.startswith("positive"):
        proven = [e for j in settled if isinstance(j, Proven) for e in j.evidence]
        assert path.parts[-3] in {name for e in proven for name in e.format.split("+")}
    elif path.name.startswith("damaged"):
        assert any(isinstance(j, (Proven, Undecided)) for j in settled)
    else:
        assert all(isinstance(j, Refuted) for j in settled)


def test_published_list_holds_fingerprints_and_origins_only():
    """One fingerprint and one origin a line, no line twice, nothing else."""
    lines = (FOLDER / "published_test_keys.txt").read_text().splitlines()
    entries = [line for line in lines if not line.startswith("#")]
    assert len(entries) == len(published_keys()) > 50
    for fingerprint, origin in published_keys().items():
        assert len(fingerprint) == len("sha256:") + 64
        assert int(fingerprint.removeprefix("sha256:"), 16)
        assert origin


def test_published_keys_are_known_by_fingerprint():
    """The Ed25519 key of RFC 8410 is published, an unknown one is not."""
    from lockgate.scan.prove import edwards

    public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    assert is_published(edwards.fingerprint("Ed25519", bytes.fromhex(public)))
    assert not is_published("sha256:" + "0" * 64)


def test_keys_of_installed_programs_are_in_the_list():
    """Seven RSA keys of the openssl command, six kinds of libgnutls, those of gnutls-cli."""
    origins = [origin.split()[0] for origin in published_keys().values()]
    assert origins.count("openssl") == 7
    assert origins.count("libgnutls30") >= 6
    assert origins.count("gnutls-bin") >= 2
