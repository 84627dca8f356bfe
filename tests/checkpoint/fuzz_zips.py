"""Ways of breaking zip archives, also ones that lie and yet are well-formed."""

import io
import struct
import zipfile
import zlib
from typing import NamedTuple

from fuzz_bytes import HUGE, ODD_NAMES, mutate_bytes
from fuzz_pickles import mutate_pickles

LINK = 0o120777 << 16
# Where a member must never come to lie; the folder that the archive is in has no such file.
ESCAPES = (
    "../escaped.txt",
    "../../escaped.index",
    "a/../../escaped.json",
    "/tmp/paddle-electra-escaped.txt",
    "..\\escaped.txt",
    "C:/escaped.txt",
    "./../escaped.txt",
)


class Member(NamedTuple):
    """A member as it is to be written; None: what is right."""

    name: bytes
    content: bytes
    method: int = 0
    flags: int = 0x800  # names are UTF-8
    attributes: int = 0o100644 << 16
    local_name: bytes | None = None
    checksum: int | None = None
    packed_size: int | None = None
    size: int | None = None
    offset: int | None = None
    version: int = 20
    extra: bytes = b""


def build(members, end=b"", **claimed):
    """The bytes of a zip.

    Args:
        end: a comment.
        claimed: ``count``, ``size`` or ``start`` of the directory, where they are to be wrong.
    """
    out, directory = bytearray(), b""
    for member in members:
        packed = member.content
        if member.method == zipfile.ZIP_DEFLATED:
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            packed = packer.compress(packed) + packer.flush()
        crc = zlib.crc32(member.content) if member.checksum is None else member.checksum
        sizes = (
            len(packed) if member.packed_size is None else member.packed_size,
            len(member.content) if member.size is None else member.size,
        )
        name = member.name if member.local_name is None else member.local_name
        offset = len(out) if member.offset is None else member.offset
        both = (member.flags, member.method, 0, 0x21, crc, *sizes)
        out += struct.pack("<4s5H3L2H", b"PK\3\4", member.version, *both, len(name), 0)
        out += name + packed
        lengths = (len(member.name), len(member.extra), 0, 0, 0)
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x314, member.version, *both, *lengths, member.attributes,
            offset % (1 << 32),
        )  # fmt: skip
        directory += member.name + member.extra
    count = claimed.get("count", len(members))
    size, start = claimed.get("size", len(directory)), claimed.get("start", len(out))
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, start, len(end)) + end
    return bytes(out) + directory + tail


def read_members(data):
    """[`Member`] of a sound zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            Member(i.filename.encode(), archive.read(i), i.compress_type)
            for i in archive.infolist()
        ]


def mutate_torch_zip(data, rng):
    """The pickle in a ``.bin`` with a right checksum, or its zip."""
    members = read_members(data)
    if rng.random() < 0.6:
        number = next(n for n, m in enumerate(members) if m.name.endswith(b"data.pkl"))
        change = mutate_pickles if rng.random() < 0.8 else mutate_bytes
        content, what = change(members[number].content, rng)
        members[number] = members[number]._replace(content=content)
        return build(members), what
    if rng.random() < 0.2:
        content = rng.choice((b"big", b"little\n", b"", b"\0"))
        members = [m._replace(content=content) if m.name.endswith(b"order") else m for m in members]
        return build(members), f"byte order {content!r}"
    return mutate_members(members, rng)


def mutate_zip(data, rng):
    return mutate_members(read_members(data), rng)


def mutate_members(members, rng):
    """One member, or the directory, of a zip that is otherwise sound."""
    number = rng.randrange(len(members))
    member = members[number]
    change = rng.choice((_name, _name, _name, _numbers, _numbers, _numbers, _bomb, _more, _end))
    if change is _end:
        return _end(members, rng)
    changed, what = change(member, rng, members)
    place = rng.choice((0, len(members)))
    if change is _more:
        members.insert(place, changed)
    else:
        members[number] = changed
    return build(members), f"{member.name.decode()}: {what}"


def _name(member, rng, _):
    odd = [name.encode("utf-8", "surrogatepass") for name in (*ODD_NAMES, *ESCAPES)]
    odd = [name[:65_000] for name in odd]
    odd += [b"a/" * 3000 + b"vocab.txt", b".", b"./", b"/", b"//", b"\xff\xfe", member.name + b"/"]
    odd += [member.name + b"\0.txt", member.name.upper(), member.name[:-1], b"x" * 230 + b".json"]
    new = rng.choice(odd)
    kept = rng.choice((new, new, None, member.name))
    return member._replace(name=new, local_name=kept), f"called {new[:60]!r}"


def _numbers(member, rng, _):
    field = rng.choice(
        ("method", "flags", "attributes", "checksum", "packed_size", "size", "offset", "version",
         "extra", "content", "lie")
    )  # fmt: skip
    right = len(member.content)
    values = {
        "method": (1, 9, 12, 14, 93, 99, 8 - member.method),
        "flags": (1, 0x801, 0x20, 0x40, 0x2041, 8, 0),
        "attributes": (LINK, 0o40755 << 16, 0x10, 0xFFFFFFFF, 0o060000 << 16),
        "checksum": (0, 1, 0xFFFFFFFF),
        "packed_size": (*HUGE[:5], right - 1, right + 1, 5),
        "size": (*HUGE[:5], right - 1, right + 1, right * 2, 5),
        "offset": (*HUGE[:5], 4, 30),
        "version": (0, 45, 63, 64, 255),
        "extra": (
            b"\1\0\x08\0" + b"\xff" * 8,
            b"\1\0\x20\0",
            b"\1",
            b"\xff" * 40,
            b"up\x05\0\1abcd",
        ),
        "content": (b"", member.content[:-1], member.content + b"\0", b"\0" * right),
        "lie": (member.content[:16],),
    }[field]
    value = rng.choice(values)
    if field == "lie":  # everything about the member is right, but what it claims to hold
        return member._replace(content=value, method=0, size=right), "16 bytes, claims its size"
    if field == "content":  # what it holds is changed, its checksum is not
        crc = zlib.crc32(member.content)
        return member._replace(content=value, checksum=crc), f"content of {len(value)} bytes"
    value = value % (1 << 32) if isinstance(value, int) else value
    return member._replace(**{field: value}), f"{field} {value}"


def _bomb(member, rng, _):
    """Far more than there is: 2 MB of blanks, or sizes that are not there."""
    if rng.random() < 0.5:
        content = rng.choice((b" ", b"\0", b"[")) * 2_000_000
        return member._replace(content=content, method=8), "2 MB that deflate a thousandfold"
    size = rng.choice((1 << 28, 1 << 31, (1 << 32) - 2))
    packed = rng.choice((None, size))
    return member._replace(size=size, packed_size=packed), f"claims {size} bytes"


def _more(member, rng, members):
    """A member beside the right ones."""
    what = rng.choice(("twice", "dot", "slash", "below", "link", "escape", "escape", "many"))
    if what == "twice":
        return member._replace(content=member.content[::-1]), "twice, with another content"
    if what == "dot":
        return member._replace(name=b"./" + member.name, content=b"x"), "twice, once as ./"
    if what == "slash":
        name = member.name.replace(b"/", b"//") if b"/" in member.name else b"/" + member.name
        return member._replace(name=name, content=b"x"), "twice, once with another slash"
    if what == "below":
        return member._replace(name=member.name + b"/vocab.txt"), "a file below a file"
    if what == "link":
        name = rng.choice((b"vocab.txt", b"discriminator", b"link.json"))
        return Member(name, b"/etc/passwd", attributes=LINK), "a link"
    if what == "many":
        members += [Member(b"%d.x" % n, b"") for n in range(rng.choice((100, 11_000)))]
        return Member(b"last.x", b""), "thousands of members"
    name = rng.choice(ESCAPES)
    return Member(name.encode(), b"escaped"), f"beside it {name!r}"


def _end(members, rng):
    """The record at the end, which says where the directory is."""
    what = rng.choice(("count", "size", "start", "comment", "zip64"))
    if what == "comment":
        return build(members, rng.choice((b"x" * 65_535, b"PK\5\6" + b"\0" * 18))), "a comment"
    if what == "zip64":
        whole = build(members)
        size, start = struct.unpack("<2L", whole[-10:-2])
        size, start = (rng.choice((right, *HUGE)) for right in (size, start))
        count = rng.choice((len(members), *HUGE))
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
        place = rng.choice((len(whole) - 22, 0, 2**63))
        record += struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        return whole[:-22] + record + whole[-22:], "an end of the 64-bit kind"
    value = rng.choice(HUGE) % (1 << (16 if what == "count" else 32))
    return build(members, **{what: value}), f"end claims {what} {value}"
