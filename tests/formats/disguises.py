"""What happens to keys on their way through programs, logs and people's hands.

Every disguise takes the armoured text and the bytes of a key and gives the text that is left.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import quopri
import textwrap
import urllib.parse
from collections.abc import Callable

Disguise = Callable[[str, bytes], bytes]


def _lines(form: str) -> Disguise:
    """Each line of the armour in ``form``."""
    return lambda pem, _: "".join(
        form.replace("%n", str(i)).replace("%s", line) + "\n"
        for i, line in enumerate(pem.splitlines(), 1)
    ).encode()


def _text(change: Callable[[str], str]) -> Disguise:
    return lambda pem, _: change(pem).encode()


def _bytes(change: Callable[[bytes], str]) -> Disguise:
    return lambda _, der: change(der).encode()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _docker(pem: str, _: bytes) -> bytes:
    return "".join(
        json.dumps({"log": line + "\n", "stream": "stdout", "time": f"2026-11-21T10:00:00.{i:09}Z"})
        + "\n"
        for i, line in enumerate(pem.splitlines())
    ).encode()


def _journald(pem: str, _: bytes) -> bytes:
    return "".join(
        json.dumps({"MESSAGE": line, "PRIORITY": "6", "_PID": "4711", "_COMM": "tokens"}) + "\n"
        for line in pem.splitlines()
    ).encode()


def _repr(data: bytes) -> str:
    return f"key = {data!r}\n"


def _xxd_include(data: bytes) -> str:
    rows = [data[i : i + 12] for i in range(0, len(data), 12)]
    body = ",\n".join("  " + ", ".join(f"0x{b:02x}" for b in row) for row in rows)
    return f"unsigned char key_der[] = {{\n{body}\n}};\nunsigned int key_der_len = {len(data)};\n"


def _java(data: bytes) -> str:
    return "byte[] k = {" + ", ".join(
        f"(byte) 0x{b:02x}" if b > 127 else f"0x{b:02x}" for b in data
    ) + "};"  # fmt: skip


def _octal(data: bytes) -> str:
    return 'char k[] = "' + "".join(f"\\{b:03o}" for b in data) + '";'


def _c_strings(data: bytes) -> str:
    rows = ["".join(f"\\x{b:02x}" for b in data[i : i + 16]) for i in range(0, len(data), 16)]
    return "static const char k[] =\n" + "\n".join(f'  "{row}"' for row in rows) + ";\n"


#: The armoured text, changed.
ARMOURED: dict[str, Disguise] = {
    "plain": _text(str),
    "crlf": _text(lambda p: p.replace("\n", "\r\n")),
    "cr": _text(lambda p: p.replace("\n", "\r")),
    "json": _text(lambda p: json.dumps({"key": p, "n": 1})),
    "json twice": _text(lambda p: json.dumps(json.dumps({"key": p}))),
    "json thrice": _text(lambda p: json.dumps(json.dumps(json.dumps({"key": p})))),
    "json, slashes escaped": _text(lambda p: json.dumps({"key": p}).replace("/", "\\/")),
    "json, crlf": _text(lambda p: json.dumps(p.replace("\n", "\r\n"))),
    "json, pretty": _text(
        lambda p: json.dumps({"type": "service_account", "private_key": p}, indent=2)
    ),
    "json, all marks escaped": _text(
        lambda p: json.dumps(p).replace("+", "\\u002B").replace("=", "\\u003d")
    ),
    "unicode escapes": _text(lambda p: p.replace("\n", "\\u000a")),
    "unicode crlf": _text(lambda p: p.replace("\n", "\\u000D\\u000A")),
    "octal escapes": _text(lambda p: p.replace("\n", "\\012")),
    "yaml block": _text(lambda p: "key: |\n  " + p.replace("\n", "\n  ")),
    "yaml folded": _text(lambda p: "key: >-\n    " + p.replace("\n", "\n\n    ")),
    "yaml quoted": _text(lambda p: 'key: "' + p.replace("\n", "\\n\\\n    ") + '"'),
    "dotenv": _text(lambda p: 'PRIVATE_KEY="' + p.replace("\n", "\\n") + '"\nPORT=80\n'),
    "shell export": _text(lambda p: "export KEY=$'" + p.replace("\n", "\\n") + "'\n"),
    "terraform": _text(lambda p: "key = <<-EOT\n    " + p.replace("\n", "\n    ") + "EOT\n"),
    "toml": _text(lambda p: 'key = """\n' + p + '"""\n'),
    "properties": _text(lambda p: "key=" + p.replace("\n", "\\n\\\n  ")),
    "one line": _text(lambda p: p.replace("\n", "")),
    "one line, spaces": _text(lambda p: p.replace("\n", " ")),
    "tabs": _text(lambda p: p.replace("\n", "\t")),
    "indented": _text(lambda p: textwrap.indent(p, " " * 8)),
    "quoted reply": _lines("> %s"),
    "quoted twice": _lines(">> > %s"),
    "shell comment": _lines("# %s"),
    "c comment": _lines("// %s"),
    "c comment, tight": _lines("//%s"),
    "javadoc": _lines(" * %s"),
    "sql comment": _lines("-- %s"),
    "bullets": _lines("- %s"),
    "numbered": _lines("     %n\t%s"),
    "grep": _lines("deploy/prod.pem:%n:%s"),
    "diff added": _lines("+%s"),
    "diff removed": _lines("-%s"),
    "diff context": _lines(" %s"),
    "syslog": _lines("Nov 21 05:00:01 signing-host-01 tokens[4711]: %s"),
    "syslog rfc 5424": _lines("<134>1 2026-11-21T05:00:01.003Z host tokens 4711 ID47 - %s"),
    "kubernetes cri": _lines("2026-11-21T10:00:00.123456789Z stdout F %s"),
    "python logging": _lines("2026-11-21 05:00:01,003 DEBUG app.keys:loader: %s"),
    "journald json": _journald,
    "docker json": _docker,
    "colours": _lines("\x1b[32mINFO\x1b[0m \x1b[1m%s\x1b[0m"),
    "colours, escaped": _text(
        lambda p: json.dumps("".join(f"\x1b[32m{x}\x1b[0m\n" for x in p.splitlines()))
    ),
    "c strings": _lines('"%s\\n"'),
    "js strings": _lines("'%s\\n' +"),
    "java strings": _lines('    + "%s\\r\\n"'),
    "shell continuation": _lines("%s \\"),
    "cat -A": _lines("%s$"),
    "table": _lines("| %n | %s | ok |"),
    "csv": _text(lambda p: 'id,key\n1,"' + p + '",x\n'),
    "utf-16le": lambda p, _: p.encode("utf-16-le"),
    "utf-16be": lambda p, _: p.encode("utf-16-be"),
    "utf-16 with mark": lambda p, _: p.encode("utf-16"),
    "utf-32le": lambda p, _: p.encode("utf-32-le"),
    "utf-32be": lambda p, _: p.encode("utf-32-be"),
    "utf-32 with mark": lambda p, _: p.encode("utf-32"),
    "utf-16 json": lambda p, _: json.dumps({"key": p}).encode("utf-16-le"),
    "url": _text(lambda p: "key=" + urllib.parse.quote(p, safe="")),
    "url form": _text(lambda p: "a=1&" + urllib.parse.urlencode({"key": p}) + "&b=2"),
    "url twice": _text(
        lambda p: "key=" + urllib.parse.quote(urllib.parse.quote(p, safe=""), safe="")
    ),
    "html": _text(
        lambda p: html.escape(p).replace("\n", "&#10;").replace("/", "&#x2F;").replace("+", "&#43;")
    ),
    "html, escaped twice": _text(lambda p: p.replace("\n", "&amp;#10;").replace("/", "&amp;#x2F;")),
    "html breaks": _text(lambda p: "<p>" + p.replace("\n", "<br/>") + "</p>"),
    "html rows": _lines('<tr><td class="n">%n</td><td><span class="s">%s</span></td></tr>'),
    "xml cdata": _text(lambda p: f"<key><![CDATA[{p}]]></key>"),
    "quoted-printable": lambda p, _: quopri.encodestring(p.encode()),
    "quoted-printable, one line": lambda p, _: quopri.encodestring(p.replace("\n", " ").encode()),
    "non-breaking spaces": _text(lambda p: p.replace(" ", "\xa0")),
    "long dashes": _text(lambda p: p.replace("--", "\u2014").replace("-", "\u2013")),
    "byte order mark": lambda p, _: b"\xef\xbb\xbf" + p.encode(),
    "narrow": _text(lambda p: _rewrapped(p, 20)),
    "wide lines": _text(lambda p: _rewrapped(p, 76)),
    "headers": _text(
        lambda p: p.replace("-----\n", "-----\nX-Origin: backup-7\nComment: spare\n\n", 1)
    ),
    "no end": _text(lambda p: p.partition("-----END")[0]),
    "no end, then text": _text(
        lambda p: p.partition("-----END")[0] + "INFO the service started normally\n"
    ),
    "python repr": _text(lambda p: repr(p.encode())),
    "go quoted": _text(lambda p: f"level=debug msg={json.dumps(p)} pid=3"),
}


def _rewrapped(pem: str, width: int) -> str:
    first, *body, last = pem.splitlines()
    return "\n".join([first, *textwrap.wrap("".join(body), width), last, ""])


#: The armoured text, encoded as a whole.
ENCODED: dict[str, Disguise] = {
    "base64 of pem": lambda p, _: _b64(p.encode()).encode(),
    "base64 of pem, wrapped": lambda p, _: base64.encodebytes(p.encode()),
    "base64 of pem, in yaml": _text(lambda p: f"data:\n  tls.key: {_b64(p.encode())}\n  x: eA==\n"),
    "base64 of pem, shifted": _text(lambda p: _b64(b"x" + p.encode())),
    "base64 of pem, shifted twice": _text(lambda p: _b64(b"xy" + p.encode())),
    "base64url of pem": lambda p, _: base64.urlsafe_b64encode(p.encode()),
    "base64 of base64 of pem": _text(lambda p: _b64(base64.b64encode(p.encode()))),
    "base64 of crlf pem": _text(lambda p: _b64(p.replace("\n", "\r\n").encode())),
    "base64 of utf-16 pem": _text(lambda p: _b64(p.encode("utf-16-le"))),
    "base64 of json": _text(lambda p: _b64(json.dumps({"a": 1, "private_key": p}).encode())),
    "base64 of gzip": _text(lambda p: _b64(gzip.compress(p.encode()))),
    "base64 of gzip of json": _text(lambda p: _b64(gzip.compress(json.dumps({"k": p}).encode()))),
    "base64 in utf-16": lambda p, _: _b64(p.encode()).encode("utf-16-le"),
    "base64 in json": _text(lambda p: json.dumps({"k": _b64(p.encode()), "name": "prod"})),
    "base64 in url": _text(lambda p: "k=" + urllib.parse.quote(_b64(p.encode()), safe="")),
    "hex of pem": _text(lambda p: p.encode().hex()),
    "upper hex of pem": _text(lambda p: p.encode().hex().upper()),
    "spaced hex of pem": _text(lambda p: p.encode().hex(" ")),
    "hex of base64 of pem": _text(lambda p: base64.b64encode(p.encode()).hex()),
    "base64 of hex of pem": _text(lambda p: _b64(p.encode().hex().encode())),
    "decimal pem": _text(lambda p: str(list(p.encode()))),
    "c array of pem": _text(lambda p: _xxd_include(p.encode())),
}

#: The bytes of the key, without armour.
BARE: dict[str, Disguise] = {
    "base64": _bytes(_b64),
    "base64 in json": _bytes(lambda d: json.dumps({"name": "a", "key": _b64(d), "z": "word"})),
    "base64, json escapes": _bytes(
        lambda d: json.dumps({"key": _b64(d)}).replace("/", "\\/").replace("+", "\\u002b")
    ),
    "base64 in env": _bytes(lambda d: f"KEY_B64={_b64(d)}\nPORT=80\n"),
    "base64, 76 columns": lambda _, d: base64.encodebytes(d),
    "base64, 64 columns": _bytes(lambda d: "\n".join(textwrap.wrap(_b64(d), 64))),
    "base64, indented": _bytes(
        lambda d: "key: |\n    " + "\n    ".join(textwrap.wrap(_b64(d), 64)) + "\nnext: 1\n"
    ),
    "base64, quoted strings": _bytes(
        lambda d: " +\n".join(f'"{x}"' for x in textwrap.wrap(_b64(d), 64))
    ),
    "base64, syslog": _bytes(
        lambda d: "".join(f"Nov 21 05:00:01 h app[1]: {x}\n" for x in textwrap.wrap(_b64(d), 64))
    ),
    "base64url": _bytes(lambda d: "k: " + base64.urlsafe_b64encode(d).decode().rstrip("=")),
    "base64 in url": _bytes(lambda d: "k=" + urllib.parse.quote(_b64(d), safe="") + "&x=1"),
    "base64 in utf-16": lambda _, d: _b64(d).encode("utf-16-le"),
    "base64 twice": _bytes(lambda d: _b64(base64.b64encode(d))),
    "base64 among bytes": _bytes(
        lambda d: _b64(b"\0\x01\x02\x03\x04" + d) if len(d) > 100 else _b64(d)
    ),
    "hex": _bytes(bytes.hex),
    "upper hex": _bytes(lambda d: d.hex().upper()),
    "spaced hex": _bytes(lambda d: d.hex(" ")),
    "colon hex": _bytes(lambda d: d.hex(":")),
    "colon hex, wrapped": _bytes(
        lambda d: "\n".join("    " + d[i : i + 15].hex(":") + ":" for i in range(0, len(d), 15))
    ),
    "dashed hex": _bytes(lambda d: d.hex("-").upper()),
    "plain hex dump": _bytes(lambda d: "\n".join(textwrap.wrap(d.hex(), 60)) + "\n"),
    "0x hex": _bytes(lambda d: f"0x{d.hex()}"),
    "sql hex": _bytes(lambda d: f"INSERT INTO k VALUES (x'{d.hex().upper()}', 'abc');"),
    "postgres hex": _bytes(lambda d: f"'\\x{d.hex()}'"),
    "registry": _bytes(
        lambda d: (
            '"Key"=hex:'
            + ",\\\n  ".join(d[i : i + 20].hex(",") for i in range(0, len(d), 20))
            + "\n"
        )
    ),
    "xxd -i": _bytes(_xxd_include),
    "c array, tight": _bytes(lambda d: "{" + ",".join(f"0x{b:02X}" for b in d) + "}"),
    "go %#v": _bytes(lambda d: "[]byte{" + ", ".join(f"{b:#x}" for b in d) + "}"),
    "java array": _bytes(_java),
    "one byte a line": _bytes(lambda d: ",\n".join(f"    0x{b:02x}" for b in d)),
    "hex in json": _bytes(lambda d: json.dumps({"k": d.hex(), "added": "by me"})),
    "hex in utf-16": lambda _, d: d.hex().encode("utf-16-le"),
    "decimal": _bytes(lambda d: str(list(d))),
    "decimal, tight": _bytes(lambda d: json.dumps(list(d), separators=(",", ":"))),
    "decimal, node buffer": _bytes(
        lambda d: json.dumps({"type": "Buffer", "data": list(d)}, indent=2)
    ),
    "decimal, signed": _bytes(lambda d: str([b - 256 if b > 127 else b for b in d])),
    "decimal, spaces": _bytes(lambda d: "[" + " ".join(map(str, d)) + "]"),
    "decimal, powershell": _bytes(lambda d: "\n" + "\n".join(map(str, d)) + "\n"),
    "python bytes": _bytes(_repr),
    "python bytes in json": _bytes(lambda d: json.dumps({"msg": _repr(d)})),
    "escaped bytes": _bytes(_c_strings),
    "octal": _bytes(_octal),
    "json latin": _bytes(lambda d: json.dumps({"k": d.decode("latin-1")})),
    "json latin, raw": _bytes(lambda d: json.dumps({"k": d.decode("latin-1")}, ensure_ascii=False)),
    "percent": _bytes(lambda d: "k=" + urllib.parse.quote(d) + "&z"),
}
