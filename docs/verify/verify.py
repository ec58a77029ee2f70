#!/usr/bin/env python3
"""Checks a Portcullis report bundle, or a log written by `portcullis audit tiles`, offline:
verify.py PATH [--key log.vkey] [--checkpoint FILE]. Exit codes: 0 intact, 1 tampered,
2 incomplete or rolled back, 3 cannot judge. It needs the package `cryptography` and shares no
code with the gateway; gateway/src/audit/FORMAT.md says all that it knows. Entries are parsed only
after a hash that a signature reaches vouches for them."""
import argparse, pathlib, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tiles import judge_tiles
from tlog import (Chain, Judged, Key, get, hash_of, included, key_of, need, read_entry, sha256,
                  unbase64)

def archive(data):
    """The files of a bundle; every byte of the archive must be as bundles are written."""
    files, at = {}, 0
    while data[at:at + 512].strip(b"\0"):
        block, name = data[at:at + 512], data[at:at + 100].split(b"\0")[0]
        size = int(block[124:135], 8)
        head = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size
        head += b"0" * 11 + b"\0" + b" " * 8 + b"0" + bytes(100) + b"ustar\00000" + bytes(247)
        end = at + 512 + -(-size // 512) * 512
        fine = block == head[:148] + b"%06o\0 " % sum(head) + head[156:] and end <= len(data)
        fine = fine and name and name.decode() not in files
        need(fine and not data[at + 512 + size:end].strip(b"\0"), "a broken archive")
        files[name.decode()], at = data[at + 512:at + 512 + size], end
    whole = len(data) == -(-(at + 1024) // 10240) * 10240
    need(whole and not data[at:].strip(b"\0"), "a broken archive")
    return files

def payload_fits(key, entry, plain):
    ref, step, whole = entry["pl"], 61440 - 16, b""
    parts = [plain[i:i + step] for i in range(0, len(plain), step)] or [b""]
    for number, part in enumerate(parts):
        nonce = ref["n"].to_bytes(8, "big") + number.to_bytes(4, "big")
        aad = "\n".join(map(str, (entry["sess"], ref["n"], number, ref["parts"], ref["media"])))
        whole += AESGCM(key).encrypt(nonce, part, aad.encode())
    said = (ref["alg"], ref["parts"], ref["bytes"], ref["sha256"])
    return said == ("AES-256-GCM", len(parts), len(whole), sha256(whole).hex())

def judge_bundle(data, pin=None):
    files = archive(data)
    key, text = key_of(files, pin), get(files, "session.tlog-proof").decode()
    lines = get(files, "leaves.jsonl").split(b"\n")
    last, form = len(lines) - 2, "c2sp.org/tlog-proof@v1\nindex (0|[1-9][0-9]*)((?:\n.+)*)\n\n"
    place = re.match(form, text)
    need(place and int(place[1]) < 1 << 64 and lines.pop() == b"" and lines, "no proof, no end")
    steps, note = [hash_of(step) for step in place[2].split("\n")[1:]], text[place.end():]
    size, root = key.checkpoint(note)
    hashes = [sha256(b"\0", line) for line in lines]
    need(included(int(place[1]), size, hashes[-1], steps, root), "it is not in the tree", last)
    need(get(files, "checkpoint").decode() == note, "the checkpoint is not that of the proof")
    entries, expected = [], hashes[-1].hex()
    for at in range(last, -1, -1):
        need(expected == hashes[at].hex(), "the entry after it names another hash", at)
        entries.insert(0, read_entry(lines[at], at))
        expected = entries[0].get("sprev")
        need((expected is None) == (at == 0), "the session begins elsewhere", at)
    chain = Chain()
    for at, entry in enumerate(entries):
        need(entry["sess"] == entries[0]["sess"], "it belongs to another session", at)
        chain.follow(entry, hashes[at], at)
    if "payload.key" in files:
        secret = unbase64(files["payload.key"].decode().removesuffix("\n"))
        mine = sha256(b"portcullis payload key 1\n", secret).hex()
        said = entries[0]["body"].get("payload_key", mine)
        need(said == mine, "payload.key is not the session's key")
    for at, entry in enumerate(entries):
        if "payload.key" in files and "pl" in entry:
            plain = get(files, name := f"payload/{at}.{entry['pl']['media']}")
            need(payload_fits(secret, entry, plain), f"{name} is another", at)
    text = key.open(get(files, "manifest").decode())
    title = f"portcullis report bundle 1\n{key.name}\n{entries[0]['sess']}\n"
    need(text.startswith(title), "the manifest is that of another bundle")
    listed = [line.split(" ", 1) for line in text[len(title):].split("\n")[:-1]]
    for digest, name in listed:
        need(sha256(get(files, name)).hex() == digest, f"{name} is not the file that was signed")
    need([name for _, name in listed] + ["manifest"] == list(files), "other files than signed")
    need(chain.ended, "the session had not ended when this was made", code=2)
    return f"one session of {key.name}, {len(entries)} entries"

def judge(evidence, pin=None, checkpoint=None):
    """Code, first bad entry or None, and words, of a bundle's bytes or a dict of files."""
    try:
        if isinstance(evidence, dict):
            return 0, None, judge_tiles(evidence, pin, checkpoint)
        return 0, None, judge_bundle(evidence, pin)
    except Judged as judged:
        return judged.args
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, InvalidSignature) as e:
        return 1, None, f"what should be evidence can't be read: {e!r}"

def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("path", "--key", "--checkpoint"):
        options.add_argument(name, type=pathlib.Path)
    given = options.parse_args()
    try:
        pin = Key(given.key.read_text().strip()) if given.key else None
        note = given.checkpoint.read_bytes().decode() if given.checkpoint else None
        if given.path.is_dir():
            evidence = {str(file.relative_to(given.path)): file.read_bytes()
                        for file in given.path.rglob("*") if file.is_file()}
        else:
            evidence = given.path.read_bytes()
            need(evidence[257:265] == b"ustar\00000", "neither a bundle nor tiles", code=3)
        code, index, what = judge(evidence, pin, note)
    except (OSError, ValueError, Judged, InvalidSignature) as error:
        code, index, what = 3, None, error
    words = ["intact", "tampered", "incomplete or rolled back", "cannot judge"][code]
    print(f"{words}: {'' if index is None else f'first bad entry {index}: '}{what}")
    sys.exit(code)

if __name__ == "__main__":
    main()
