"""Archives and compressed files: what is read, what is a gap, and that nothing crashes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import subprocess
import tarfile
import zipfile
import zlib

import pytest
import zstandard
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason, Outcome

PACKERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.fixture(scope="module")
def pem() -> bytes:
    """A fresh key as text."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())


def tar_of(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def streamed_zip_of(members: dict[str, bytes]) -> bytes:
    """A zip archive written to a pipe: sizes follow the content."""

    class Pipe(io.RawIOBase):
        """A sink that cannot seek."""

        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, piece: bytes) -> int:
            self.written += bytes(piece)
            return len(piece)

    sink = Pipe()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.written


def reasons(report) -> set[GapReason]:
    """The reasons of all gaps."""
    return {gap.reason for gap in report.gaps}


def members_of(report) -> set[str | None]:
    """The members in which keys were found."""
    return {place.member for f in report.findings for place in f.occurrences}


@pytest.mark.parametrize("name", PACKERS)
def test_packed_key_is_found(name, pem, scan):
    """A key in a compressed file is found, in the member that the format names."""
    report = scan(PACKERS[name](b"config\n" + pem))

    assert members_of(report) == {name}
    assert report.gaps == ()


@pytest.mark.parametrize("name", PACKERS)
def test_packed_streams_in_a_row_are_one(name, pem, scan):
    """A key cut by the border of two packed streams is found."""
    cut = len(pem) // 2
    packed = PACKERS[name](pem[:cut]) + PACKERS[name](pem[cut:])

    assert members_of(scan(packed)) == {name}


@pytest.mark.parametrize("name", PACKERS)
def test_packed_stream_behind_one_that_swells_is_read(name, pem, scan):
    """The end of a stream that gave far more than it took is found to the byte."""
    packed = PACKERS[name](bytes(5 << 20)) + PACKERS[name](pem)

    report = scan(packed)

    assert members_of(report) == {name}
    assert report.gaps == ()


@pytest.mark.parametrize("name", PACKERS)
def test_truncated_packed_file_is_a_gap(name, scan):
    """A compressed file that ends early is never clean."""
    packed = PACKERS[name](random.Random(1).randbytes(50_000))

    assert reasons(scan(packed[:-100])) == {GapReason.TRUNCATED}


@pytest.mark.parametrize("name", PACKERS)
def test_key_behind_packed_data_is_found(name, pem, scan):
    """Bytes behind the compressed data are scanned as they are."""
    report = scan(PACKERS[name](b"harmless") + pem)

    assert None in members_of(report)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_member_is_named_in_full(form, pem, scan):
    """Long names come from the prefix, the GNU record or the pax record."""
    name = "d" * 90 + "/" + "e" * 80

    assert members_of(scan(tar_of({name: b"x" + pem}, form))) == {name}


def test_tar_name_that_climbs_out_is_only_a_name(pem, scan):
    """A path that leaves the folder is reported as it stands."""
    assert members_of(scan(tar_of({"../../etc/key": pem}))) == {"../../etc/key"}


def test_hostile_member_name_is_escaped(pem, scan):
    """Control characters and bytes that are not UTF-8 never reach a report raw."""
    archive = tar_of({"XXXX": pem}).replace(b"XXXX\0", b"\x1b\xff\nX\0")
    fixed = bytearray(archive)
    fixed[148:156] = b" " * 8
    fixed[148:156] = b"%06o\0 " % sum(fixed[:512])

    assert members_of(scan(bytes(fixed))) == {"\\x1b\\xff\\x0aX"}


def test_sparse_tar_member_with_a_broken_map_is_scanned_and_a_gap(pem, scan):
    """A sparse member whose map does not fit is scanned as it is stored, and a gap."""
    header = bytearray(tar_of({"sparse": pem}, tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])

    report = scan(bytes(header))

    assert members_of(report) == {"sparse"}
    assert reasons(report) == {GapReason.DAMAGED}


@pytest.mark.parametrize("cut", [700, 1600, 2100])
def test_truncated_tar_is_a_gap(cut, scan):
    """A tar that ends in a member, or before its end blocks, is never clean."""
    archive = tar_of({"a": b"a" * 1000, "b": b"b" * 10}, tarfile.USTAR_FORMAT)

    assert reasons(scan(archive[:cut])) == {GapReason.TRUNCATED}


def test_broken_tar_header_is_a_gap(scan):
    """A second header with a wrong checksum ends the listing with a gap."""
    archive = bytearray(tar_of({"a": b"a" * 10, "b": b"b" * 10}, tarfile.USTAR_FORMAT))
    archive[1024] ^= 1

    assert reasons(scan(bytes(archive))) == {GapReason.DAMAGED}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_member_is_found(method, pem, scan):
    """Stored and deflated members are read; a stored key is told once."""
    report = scan(zip_of({"a.txt": b"x", "etc/key.pem": pem}, method))

    assert members_of(report) == {"etc/key.pem"}
    assert report.gaps == ()


def test_streamed_zip_member_is_found(pem, scan):
    """A zip whose sizes follow the content is read to its end."""
    report = scan(streamed_zip_of({"a": b"first", "key": pem, "c": b"last"}))

    assert members_of(report) == {"key"}
    assert report.gaps == ()


def test_zip64_sizes_are_used(pem, scan):
    """Sizes in the ZIP64 extra field take the place of the 32-bit ones."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("k", "w", force_zip64=True) as member:
        member.write(pem)

    report = scan(out.getvalue())

    assert members_of(report) == {"k"}
    assert report.gaps == ()


def test_encrypted_zip_member_is_a_gap(scan):
    """The encryption flag makes a gap of reason encrypted."""
    archive = bytearray(zip_of({"a": b"content"}))
    archive[6] |= 1

    assert GapReason.ENCRYPTED in reasons(scan(bytes(archive)))


def test_unknown_zip_method_is_a_gap(scan):
    """A compression method without a reader is never passed over."""
    archive = bytearray(zip_of({"a": b"content" * 100}))
    struct.pack_into("<H", archive, 8, 98)
    struct.pack_into("<H", archive, archive.index(b"PK\x01\x02") + 10, 98)

    assert reasons(scan(bytes(archive))) == {GapReason.UNSUPPORTED}


def test_zip_directory_naming_unread_member_is_a_gap(scan):
    """A central directory that points where no local header was read is a gap."""
    archive = bytearray(zip_of({"a": b"content"}))
    entry = archive.index(b"PK\x01\x02")
    struct.pack_into("<I", archive, entry + 42, 7)

    assert reasons(scan(bytes(archive))) == {GapReason.DAMAGED}


def test_key_hidden_between_zip_members_is_found(pem, scan):
    """Bytes of an archive that belong to no member are scanned raw."""
    archive = zip_of({"a": b"content"})
    place = archive.index(b"PK\x01\x02")

    report = scan(archive[:place] + pem + archive[place:])

    assert members_of(report) == {None}


def test_nesting_to_the_limit_is_read_and_beyond_is_a_gap(pem, scan):
    """Eight containers are opened; the ninth is a gap."""
    inner = pem
    for _ in range(8):
        inner = gzip.compress(inner)
    assert scan(inner).outcome is Outcome.FOUND

    report = scan(gzip.compress(inner))

    assert (report.outcome, reasons(report)) == (Outcome.INCOMPLETE, {GapReason.DEPTH_LIMIT})


def test_bomb_ends_at_the_limit(scan):
    """Unpacking stops at the limit, with a gap and without memory."""
    limits = Limits(unpacked_bytes=8 << 20)
    bomb = gzip.compress(bytes(32 << 20))

    report = scan(bomb, standard_scanner(limits=limits))

    assert reasons(report) == {GapReason.SIZE_LIMIT}
    assert report.bytes_scanned < 10 << 20


@pytest.mark.parametrize("name", ["xz", "zstd"])
def test_window_beyond_the_memory_limit_is_a_gap(name, scan):
    """Decompressors share what memory a scan may take; what is released is free again."""
    content = random.Random(4).randbytes(3 << 20)
    scarce = standard_scanner(limits=Limits(memory_bytes=1 << 20))

    assert reasons(scan(PACKERS[name](content), scarce)) == {GapReason.SIZE_LIMIT}

    enough = standard_scanner(limits=Limits(memory_bytes=9 << 20))
    twice = tar_of({str(i): PACKERS[name](content) for i in range(2)})
    assert scan(twice, enough).gaps == ()


def test_ratio_bomb_ends_at_the_ratio(scan):
    """A zstd frame that unpacks a thousandfold beyond the free bytes is a gap."""
    limits = Limits(ratio=100, ratio_free_bytes=1 << 20)

    report = scan(zstandard.compress(bytes(64 << 20)), standard_scanner(limits=limits))

    assert reasons(report) == {GapReason.SIZE_LIMIT}


def test_too_many_members_are_a_gap(scan):
    """Members beyond the limit are not passed over in silence."""
    archive = tar_of({f"m{i}": b"x" for i in range(10)})

    report = scan(archive, standard_scanner(limits=Limits(members=5)))

    assert reasons(report) == {GapReason.MEMBER_LIMIT}


@pytest.mark.parametrize(
    "magic", [b"Rar!\x1a\x07\1\0", b"MSCF\0\0\0\0", b"vhdxfile", b"\x89LZO\0\r\n\x1a\n"]
)
def test_format_without_a_reader_is_a_gap_and_scanned_raw(magic, pem, scan):
    """A recognised format that cannot be read is scanned raw and never clean."""
    assert reasons(scan(magic + bytes(100))) == {GapReason.UNSUPPORTED}
    assert scan(magic + bytes(100) + pem).outcome is Outcome.FOUND


@pytest.mark.parametrize(
    "magic",
    [b"LUKS\xba\xbe\0\1", b"\xeb\x58\x90-FVE-FS-", b"Salted__", b"$ANSIBLE_VAULT;1.1;AES256\n"],
)
def test_encrypted_volume_or_file_is_a_gap(magic, scan):
    """What only a password opens is said to be encrypted."""
    assert GapReason.ENCRYPTED in reasons(scan(magic + bytes(1000)))


def _samples() -> dict[str, bytes]:
    content = random.Random(2).randbytes(3000) + b"text " * 200
    samples = {name: pack(content) for name, pack in PACKERS.items()}
    samples["tar"] = tar_of({"one": content, "two" * 60: b"2"})
    samples["zip"] = zip_of({"one": content, "two": b"2"})
    samples["streamed zip"] = streamed_zip_of({"one": content, "two": b"2"})
    samples["raw deflate in zip"] = zip_of({"z": zlib.compress(content)}, zipfile.ZIP_STORED)
    return samples


SAMPLES = _samples()
QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(name=st.sampled_from(sorted(SAMPLES)), data=st.data())
def test_no_truncation_crashes_or_is_clean(name, data, scan):
    """Every proper prefix of a container that still shows its magic ends with a gap."""
    whole = SAMPLES[name]
    cut = data.draw(st.integers(512, len(whole) - 1))
    if name == "tar" and not whole[cut:].strip(b"\0") and cut % 512 == 0:
        cut -= 1100  # behind the end blocks there is only padding

    report = scan(whole[:cut])

    assert report.sha256 is not None
    assert report.gaps or not whole[cut:].strip(b"\0")


@QUICK
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_no_damage_crashes(name, flips, scan):
    """Flipped bytes give a report, whatever they break."""
    damaged = bytearray(SAMPLES[name])
    for place, mask in flips:
        damaged[place % len(damaged)] ^= mask

    assert scan(bytes(damaged)).sha256 is not None


PADDED = {
    "gzip": lambda pem: gzip.compress(b"log") + b"J" + gzip.compress(pem),
    "bzip2": lambda pem: bz2.compress(b"log") + b"J" + bz2.compress(pem),
    "xz": lambda pem: lzma.compress(b"log") + b"J" + lzma.compress(pem),
    "zstd": lambda pem: zstandard.compress(b"log") + b"J" + zstandard.compress(pem),
    "tar": lambda pem: tar_of({"a": b"log"}) + b"J" * 512 + gzip.compress(pem),
    "zip twice": lambda pem: zip_of({"a": b"log"}) + zip_of({"k": gzip.compress(pem)}),
    "gzip behind zeros": lambda pem: gzip.compress(b"log") + bytes(512) + gzip.compress(pem),
}


@pytest.mark.parametrize("form", PADDED)
def test_what_stands_around_an_archive_is_a_gap(form, pem, scan):
    """Packed bytes behind or inside other bytes, which some program unpacks, are never clean."""
    assert reasons(scan(PADDED[form](pem))) == {GapReason.UNSUPPORTED}


@pytest.mark.parametrize("front", [b"#!/bin/sh\nexec unzip $0\n", b"MZ" + bytes(5000)])
def test_zip_behind_other_bytes_is_read_by_its_directory(front, pem, scan):
    """A self-extractor's members are read wherever the archive starts."""
    report = scan(front + zip_of({"a": b"x", "k": pem}))

    assert members_of(report) == {"k"}
    assert report.gaps == ()


def test_zip_behind_other_bytes_in_a_packed_member_is_a_gap(pem, scan):
    """What is packed cannot be read from its end: raw only, and never clean."""
    report = scan(gzip.compress(b"#!/bin/sh\n" + zip_of({"k": pem})))

    assert reasons(report) == {GapReason.UNSUPPORTED}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard.compress])
def test_padding_with_zeros_is_no_gap(pack, scan):
    """Archives from tape and block devices are padded."""
    assert scan(pack(b"log") + bytes(4096)).outcome is Outcome.CLEAN


def test_tar_archives_one_after_another_are_read(pem, scan):
    """What follows the end blocks of a tar archive is read when it is another one."""
    packed = {"key.gz": gzip.compress(pem)}

    assert scan(tar_of({"a": b"log"}) + tar_of(packed)).outcome is Outcome.FOUND


@pytest.mark.parametrize("kind", [b"A", b"D", b"N", b"V"])
def test_tar_member_of_unknown_type_is_read(kind, pem, scan):
    """A member whose type is not known has content like a file (POSIX, pax)."""
    archive = bytearray(tar_of({"key.gz": gzip.compress(pem)}, tarfile.USTAR_FORMAT))
    archive[156:157] = kind
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])

    assert scan(bytes(archive)).outcome is Outcome.FOUND


@pytest.mark.parametrize("field", ["method", "size"])
def test_zip_directory_that_contradicts_a_member_is_a_gap(field, pem, scan):
    """Programs trust the directory, the walk the local header: a difference is never clean."""
    archive = bytearray(zip_of({"key.pem": pem * 3}))
    place, change = {"method": (8, b"\0\0"), "size": (18, b"\1\0\0\0")}[field]
    archive[place : place + len(change)] = change

    assert GapReason.DAMAGED in reasons(scan(bytes(archive)))


def test_nested_bomb_is_stopped_by_what_the_file_swells_to(scan):
    """Many small bombs in one archive end by the ratio of the whole file."""
    inner = zip_of({"zeros": bytes(1 << 20)})
    outer = zip_of({str(i): zip_of({"a": inner, "b": inner}) for i in range(40)})
    limits = Limits(ratio=500, ratio_free_bytes=8 << 20)

    report = scan(outer, standard_scanner(limits=limits))

    assert reasons(report) >= {GapReason.SIZE_LIMIT}


def sparse_tar(form: str, pem: bytes, folder) -> bytes:
    """A real tar of a file whose key is cut by a hole in its map."""
    path = folder / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 20)
        file.seek(300_000)
        file.write(gzip.compress(pem))
        file.truncate(2 << 20)
    with path.open("r+b") as file:
        file.write(gzip.compress(b"log" * 5000 + pem))
    command = ["tar", "-S", *form.split(), "-C", str(folder), "-cf", "-", "sparse"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "form",
    ["-H gnu", *(f"-H posix --sparse-version={v}" for v in ("0.0", "0.1", "1.0"))],
)
def test_sparse_tar_member_is_put_together(form, pem, scan, tmp_path):
    """Each way to write the map gives the member with its holes and without a gap."""
    archive = sparse_tar(form, pem, tmp_path)
    assert len(archive) < 1 << 20

    report = scan(archive)

    assert "sparse!gzip" in members_of(report)
    assert GapReason.DAMAGED not in reasons(report)


def pdf_of(*objects: tuple[bytes, bytes]) -> bytes:
    """A document of streams, each with the rest of its dictionary."""
    body = b"".join(
        b"%d 0 obj\n<< %s /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (i, about, len(s), s)
        for i, (about, s) in enumerate(objects, 1)
    )
    return b"%PDF-1.5\n" + body + b"trailer << /Size 9 >>\n%%EOF\n"


def test_pdf_stream_is_read(pem, scan):
    """A key in a compressed stream is found, and pictures are no gap."""
    picture = b"/Filter /DCTDecode", random.Random(3).randbytes(2000)
    document = pdf_of(picture, (b"/Filter [/FlateDecode]", zlib.compress(pem)))

    report = scan(document)

    (member,) = members_of(report)
    assert member is not None
    assert member.startswith("stream at ")
    assert report.gaps == ()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (pdf_of((b"/Filter /LZWDecode", b"x" * 99)), GapReason.UNSUPPORTED),
        (pdf_of((b"/Filter /FlateDecode", b"x" * 99)), GapReason.DAMAGED),
        (pdf_of() + b"trailer << /Encrypt 9 0 R >>\n", GapReason.ENCRYPTED),
        (pdf_of() + zip_of({"a": b"b" * 99}), GapReason.UNSUPPORTED),
    ],
    ids=["filter", "damage", "encrypted", "polyglot"],
)
def test_pdf_that_cannot_be_read_is_a_gap(document, reason, scan):
    """Filters without a reader, damage, encryption, and a second format are told."""
    assert reason in reasons(scan(document))


def test_zip_member_with_another_checksum_is_a_gap(scan):
    """Damage that still unpacks is told by the checksum."""
    archive = bytearray(zip_of({"a": b"content" * 100}))
    archive[14] ^= 1

    assert GapReason.DAMAGED in reasons(scan(bytes(archive)))
