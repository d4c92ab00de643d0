#!/usr/bin/env python3
"""trim-icu.py ARCHIVE OBJECT: makes an object file with the data of ICU that lib_FoundationICU.a holds, without what only languages
other than English need: 34 MB become a quarter. Linked before the archive, it takes the place of the whole. ICU falls back to its root locale where
a language is missing, as its documentation of data customization has it; Hecate formats nothing for people in any language but English.

Source of the format: ICU, "udata", a common data file: a header, a table of contents sorted by name, the items, 16-byte aligned.
"""
import re
import struct
import subprocess
import sys
import tempfile

KEPT = re.compile(r"^(root|en|en_001|en_US|en_US_POSIX|pool|res_index)$")
LOCALE = re.compile(r"^[a-z]{2,3}(_[A-Za-z0-9]+)*$")
# Dictionaries that break words of Asian languages, and tables of encodings that nothing here reads.
LEFT_OUT = re.compile(r"\.(dict|cnv)$|^translit/")


def is_kept(name):
    if LEFT_OUT.search(name):
        return False
    stem = re.sub(r"^.*/|\.res$", "", name)
    return not name.endswith(".res") or not LOCALE.match(stem) or bool(KEPT.match(stem))


def main():
    archive, target = sys.argv[1:]
    members = subprocess.run(["ar", "t", archive], check=True, capture_output=True, text=True).stdout.split()
    member = next(m for m in members if "packaged_data" in m)
    with tempfile.TemporaryDirectory() as work:
        with open(f"{work}/whole.o", "wb") as file:
            subprocess.run(["ar", "p", archive, member], check=True, stdout=file)
        symbols = subprocess.run(["nm", f"{work}/whole.o"], check=True, capture_output=True, text=True).stdout
        symbol = re.search(r"\b(icudt\d+_dat)\b", symbols).group(1)
        subprocess.run(["objcopy", "-O", "binary", "--only-section=.rodata", f"{work}/whole.o", f"{work}/whole.dat"], check=True)
        with open(f"{work}/whole.dat", "rb") as file:
            data = file.read()
        base, = struct.unpack_from("<H", data)
        assert data[2:4] == b"\xda\x27" and data[12:16] == b"CmnD", "this is no common data file of ICU"
        count, = struct.unpack_from("<I", data, base)
        table = [struct.unpack_from("<II", data, base + 4 + 8 * index) for index in range(count)]
        ends = [start for _, start in table[1:]] + [len(data) - base]
        items = []
        for (name_at, start), end in zip(table, ends):
            name = data[base + name_at:data.index(b"\0", base + name_at)]
            if is_kept(name.decode().split("/", 1)[1]):
                items.append((name, data[base + start:base + end]))
        names = b"".join(name + b"\0" for name, _ in items)
        position = 4 + 8 * len(items)
        offset = (position + len(names) + 15) // 16 * 16
        contents, body = struct.pack("<I", len(items)), b""
        for name, item in items:
            contents += struct.pack("<II", position, offset + len(body))
            position += len(name) + 1
            body += item + b"\0" * (-len(item) % 16)
        head = contents + names
        with open(f"{work}/trimmed.dat", "wb") as file:
            file.write(data[:base] + head + b"\0" * (offset - len(head)) + body)
        with open(f"{work}/trimmed.s", "w", encoding="utf-8") as file:
            file.write(f'.section .rodata\n.globl {symbol}\n.p2align 4\n{symbol}:\n.incbin "{work}/trimmed.dat"\n'
                       '.section .note.GNU-stack,"",%progbits\n')
        subprocess.run(["as", "-o", target, f"{work}/trimmed.s"], check=True)
        print(f"ICU's data: {len(items)} of {count} items, {(offset + len(body)) / 1e6:.1f} of {len(data) / 1e6:.1f} MB")


main()
