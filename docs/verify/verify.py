#!/usr/bin/env python3
"""Checks a Portcullis report bundle, or a log written by `portcullis audit tiles`, offline:
verify.py PATH [--key log.vkey] [--checkpoint FILE]. Exit codes: 0 intact, 1 tampered,
2 incomplete or rolled back, 3 cannot judge. It needs the package `cryptography` and shares no
code with the gateway; gateway/src/audit/FORMAT.md says all that it knows. Entries are parsed only
after a hash that a signature reaches vouches for them."""
import argparse, base64, hashlib, json, pathlib, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

class Judged(Exception):
    """Code, first bad entry or None, and why."""
def need(fine, what, index=None, code=1):
    if not fine:
        raise Judged(code, index, what)
def get(files, name):
    need(name in files, f"{name} is missing", code=2)
    return files[name]
def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def unbase64(text, length=None):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 in another form")
    need(length in (None, len(data)), "no hash")
    return data
def tree(leaves):
    """The root of a Merkle tree (RFC 6962, section 2.1)."""
    half = 1 << (len(leaves) - 1).bit_length() - 1 if len(leaves) > 1 else 0
    root = sha256(b"\1", tree(leaves[:half]), tree(leaves[half:])) if half else sha256()
    return root if half or not leaves else leaves[0]
def included(index, size, leaf, proof, root):
    """Whether an inclusion proof (RFC 6962, section 2.1.1) leads from the leaf to the root."""
    sides, fine = [], index < size
    while size > 1:
        half = 1 << (size - 1).bit_length() - 1
        sides.append(index >= half)
        index, size = (index - half, size - half) if index >= half else (index, half)
    for right, step in zip(reversed(sides), proof):
        leaf = sha256(b"\1", step, leaf) if right else sha256(b"\1", leaf, step)
    return fine and len(sides) == len(proof) and leaf == root

class Key:
    """A C2SP verifier key, name+id+key, of Ed25519."""
    def __init__(self, text):
        self.text, (self.name, said, key) = text, text.split("+", 2)
        data = unbase64(key)
        self.id, self.key = sha256(self.name.encode(), b"\n", data)[:4], data[1:]
        need(self.name and data[0] == 1 and len(data) == 33 and said == self.id.hex(), "no key")
    def open(self, note):
        """The text of a C2SP signed note that this key signed."""
        need(not any(c < " " and c != "\n" for c in note), "control characters in a note")
        text, blank, lines = note.rpartition("\n\n")
        need(blank and lines.endswith("\n") and lines.count("\n") <= 64, "no signed note")
        text, good = text + "\n", False
        for line in lines[:-1].split("\n"):
            dash, name, signature = line.split(" ", 2)
            odd = not name or any(c == "+" or c.isspace() for c in name)
            data = unbase64(signature)
            need(dash == "\u2014" and not odd and len(data) >= 4, "a line that is no signature")
            if (name, data[:4]) == (self.name, self.id):
                Ed25519PublicKey.from_public_bytes(self.key).verify(data[4:], text.encode())
                good = True
        need(good, "the log's key did not sign it")
        return text
    def checkpoint(self, note):
        origin, size, root, end = self.open(note).split("\n")
        fine = origin == self.name and re.fullmatch("0|[1-9][0-9]*", size) and not end
        need(fine and int(size) < 1 << 64, "the checkpoint is none of this log")
        return int(size), unbase64(root, 32)
def key_of(files, pin):
    text = get(files, "log.vkey").decode()
    key = pin or Key(text.strip())
    need(key.text + "\n" == text, "log.vkey is not the log's public key")
    return key

def follow(chain, line, leaf, at):
    """The next entry of a session; `chain` has the leaf hashes so far, and None after the last."""
    entry = json.loads(line)
    kind, said = entry["type"], (entry.get("sseq"), entry.get("sprev"))
    need(entry["v"] == 1, "it is no entry of this format", at)
    need(chain[-1:] != [None], "it comes after the session's last entry", at)
    before = len(chain), chain[-1].hex() if chain else None
    need(said == before, "it does not follow the one before", at)
    need((kind == "session_start") == (not chain), "no session_start", at)
    if kind == "session_end":
        said = entry["body"]["entries"], entry["body"]["session_root"]
        need(said == (len(chain), tree(chain).hex()), "it sums up others", at)
    chain += [leaf, None] if kind in ("session_end", "session_torn") else [leaf]

def header(name, size):
    head = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size
    head += b"0" * 11 + b"\0" + b" " * 8 + b"0" + bytes(100) + b"ustar\00000" + bytes(247)
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]
def archive(data):
    """The files of a bundle; every byte of the archive must be as bundles are written."""
    files, at, again = {}, 0, []
    while data[at:at + 512].strip(b"\0"):
        name, size = data[at:at + 100].split(b"\0")[0].decode(), int(data[at + 124:at + 135], 8)
        need(name and name not in files and size >= 0, "the archive is broken")
        files[name], again = data[at + 512:at + 512 + size], again + [header(name, size)]
        again += [files[name], bytes(-size % 512)]
        at += 512 + -(-size // 512) * 512
    whole = b"".join(again) + bytes(1024)
    need(data == whole + bytes(-len(whole) % 10240), "the archive is not as a bundle is written")
    return files
def manifest(files, key, title):
    text = key.open(get(files, "manifest").decode())
    need(text.startswith(title), "the manifest is that of another bundle")
    listed = [line.split(" ", 1) for line in text[len(title):].split("\n")[:-1]]
    for digest, name in listed:
        need(sha256(get(files, name)).hex() == digest, f"{name} is not the file that was signed")
    need([name for _, name in listed] + ["manifest"] == list(files), "other files than signed")
def payload_fits(key, entry, plain):
    ref, step, whole = entry["pl"], 61440 - 16, b""
    parts = [plain[i:i + step] for i in range(0, len(plain), step)] or [b""]
    for number, part in enumerate(parts):
        nonce = ref["n"].to_bytes(8, "big") + number.to_bytes(4, "big")
        aad = "\n".join(map(str, (entry["sess"], ref["n"], number, ref["parts"], ref["media"])))
        whole += AESGCM(key).encrypt(nonce, part, aad.encode())
    said = (ref["alg"], ref["parts"], ref["bytes"], ref["sha256"])
    return said == ("AES-256-GCM", len(parts), len(whole), sha256(whole).hex())

def judge_session(files, key):
    """The entries of one session, once everything about it is right."""
    text, lines = get(files, "session.tlog-proof").decode(), get(files, "leaves.jsonl").split(b"\n")
    last, form = len(lines) - 2, "c2sp.org/tlog-proof@v1\nindex (0|[1-9][0-9]*)((?:\n.+)*)\n\n"
    place = re.match(form, text)
    need(place and int(place[1]) < 1 << 64 and lines.pop() == b"" and lines, "no proof, no end")
    steps, note = [unbase64(step, 32) for step in place[2].split("\n")[1:]], text[place.end():]
    size, root = key.checkpoint(note)
    hashes = [sha256(b"\0", line) for line in lines]
    need(included(int(place[1]), size, hashes[-1], steps, root), "it is not in the tree", last)
    need(get(files, "checkpoint").decode() == note, "the checkpoint is not that of the proof")
    entries, expected, chain = [], hashes[-1].hex(), []
    for at in range(last, -1, -1):
        need(expected == hashes[at].hex(), "the entry after it names another hash", at)
        entries.insert(0, json.loads(lines[at]))
        expected = entries[0].get("sprev")
        need((expected is None) == (at == 0), "the session begins elsewhere", at)
    for at, entry in enumerate(entries):
        need(entry["sess"] == entries[0]["sess"], "it belongs to another session", at)
        follow(chain, lines[at], hashes[at], at)
    if "payload.key" in files:
        secret = unbase64(files["payload.key"].decode().removesuffix("\n"))
        mine = sha256(b"portcullis payload key 1\n", secret).hex()
        said = entries[0]["body"].get("payload_key", mine)
        need(said == mine, "payload.key is not the session's key")
        for at, entry in enumerate(entries):
            name = f"payload/{at}.{entry['pl']['media']}" if "pl" in entry else None
            fine = name is None or payload_fits(secret, entry, get(files, name))
            need(fine, f"{name} is another", at)
    manifest(files, key, f"portcullis report bundle 1\n{key.name}\n{entries[0]['sess']}\n")
    need(chain[-1] is None, "the session had not ended when this was made", code=2)
    return entries
def judge_bundle(data, pin):
    files, title = archive(data), "portcullis work bundle 1"
    key, lines = key_of(files, pin), files.get("manifest", b"").decode(errors="replace").split("\n")
    if lines[0] != title:
        return f"one session of {key.name}, {len(judge_session(files, key))} entries"
    manifest(files, key, f"{title}\n{key.name}\n{lines[2]}\n")
    inner = [archive(data) for name, data in files.items() if name.endswith(".tar")]
    need(inner, "no session is in it")
    for one in inner:
        start, (kind, id) = judge_session(one, key_of(one, key))[0]["body"], lines[2].split(" ", 1)
        need((start.get(kind) or {}).get("id") == id, "a session is for something else")
    return f"{len(inner)} sessions of {key.name} for {lines[2]}"

def judge_tiles(files, pin, checkpoint):
    """First every hash up to the signed root, then what the entries say."""
    key, names, lines, level, chains = key_of(files, pin), {"log.vkey", "checkpoint"}, [], 0, {}
    kept = key.checkpoint(checkpoint) if checkpoint else (0, sha256())
    size, root = key.checkpoint(get(files, "checkpoint").decode())
    need(kept[0] <= size, f"the log has {size} entries, your checkpoint {kept[0]}", code=2)
    def tile(level, number):
        width, kind = min((size >> 8 * (level or 0)) - number * 256, 256), level
        path, rest = f"{number % 1000:03}", number // 1000
        while rest:
            path, rest = f"x{rest % 1000:03}/{path}", rest // 1000
        path = f"tile/{'entries' if kind is None else kind}/{path}"
        names.add(path := path if width == 256 else f"{path}.p/{width}")
        return get(files, path), width
    for first in range(0, size, 256):
        (data, width), (said, _) = tile(None, first // 256), tile(0, first // 256)
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            need(len(data) >= max(end, 2), "a tile ends within an entry")
            lines.append(data[2:end])
            data = data[end:]
        need(len(lines) == first + width, "a tile has another number of entries")
        for at in range(width):
            fine = said[at * 32:at * 32 + 32] == sha256(b"\0", lines[first + at])
            need(fine, "its leaf hash is another", first + at)
    hashes = leaves = [sha256(b"\0", line) for line in lines]
    need(tree(leaves[:kept[0]]) == kept[1], "it is not what your checkpoint signs")
    while hashes:
        tiles = [hashes[at:at + 256] for at in range(0, len(hashes), 256)]
        for number, part in enumerate(tiles):
            need(tile(level, number)[0] == b"".join(part), "a tile is not that of its entries")
        level, hashes = level + 1, [tree(part) for part in tiles if len(part) == 256]
    need(tree(leaves) == root, "the entries do not lead to the signed root")
    need(set(files) == names, "there are files that belong to no tile")
    for at, (line, leaf) in enumerate(zip(lines, leaves)):
        entry = json.loads(line)
        boot = entry["type"], entry["body"].get("origin"), entry["body"].get("key")
        need(at or boot == ("boot", key.name, key.text), "the first entry is not its boot", 0)
        if "sess" in entry:
            follow(chains.setdefault(entry["sess"], []), line, leaf, at)
    return f"{key.name}, {size} entries, {len(chains)} sessions"

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
    given, index = options.parse_args(), None
    try:
        pin = Key(given.key.read_text().strip()) if given.key else None
        note = given.checkpoint.read_bytes().decode() if given.checkpoint else None
        if given.path.is_dir():
            found = (file for file in given.path.rglob("*") if file.is_file())
            evidence = {str(file.relative_to(given.path)): file.read_bytes() for file in found}
        else:
            evidence = given.path.read_bytes()
            need(evidence[257:265] == b"ustar\00000", "neither a bundle nor tiles")
        code, index, what = judge(evidence, pin, note)
    except (OSError, ValueError, Judged, InvalidSignature) as error:
        code, what = 3, error
    words = ["intact", "tampered", "incomplete or rolled back", "cannot judge"][code]
    print(f"{words}: {'' if index is None else f'first bad entry {index}: '}{what}")
    sys.exit(code)
main() if __name__ == "__main__" else None
