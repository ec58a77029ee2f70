"""What bundles and tiles have in common: hashes, keys, signed checkpoints (C2SP signed-note and
tlog-checkpoint), the Merkle tree (RFC 6962), and the chain of a session."""
import base64, hashlib, json, re
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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

def unbase64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 in another form")
    return data

class Edge:
    """A growing Merkle tree (RFC 6962): the roots of its perfect subtrees, largest first."""
    def __init__(self, leaves=()):
        self.size, self.roots = 0, []
        for leaf in leaves:
            self.push(leaf)

    def push(self, leaf):
        size, self.size = self.size, self.size + 1
        while size & 1:
            leaf, size = sha256(b"\1", self.roots.pop(), leaf), size >> 1
        self.roots.append(leaf)

    def root(self):
        right = self.roots[-1] if self.roots else sha256()
        for left in self.roots[-2::-1]:
            right = sha256(b"\1", left, right)
        return right

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
        return int(size), hash_of(root)

def hash_of(text):
    need(len(data := unbase64(text)) == 32, "no hash")
    return data

def key_of(files, pin):
    text = get(files, "log.vkey").decode()
    key = pin or Key(text.strip())
    need(key.text + "\n" == text, "log.vkey is not the log's public key")
    return key

def included(index, size, leaf, proof, root):
    """RFC 9162, section 2.1.3.2."""
    at, last = index, size - 1
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            leaf = sha256(b"\1", step, leaf)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            leaf = sha256(b"\1", leaf, step)
        at, last = at >> 1, last >> 1
    return index < size and last == 0 and leaf == root

class Chain:
    """One session: its numbers, the hashes of previous entries, the summary at its end."""
    def __init__(self):
        self.edge, self.previous, self.ended = Edge(), None, False

    def follow(self, entry, leaf, at):
        kind, said = entry["type"], (entry.get("sseq"), entry.get("sprev"))
        need(not self.ended, "it comes after the session's last entry", at)
        need(said == (self.edge.size, self.previous), "it does not follow the one before", at)
        need((kind == "session_start") == (self.edge.size == 0), "no session_start", at)
        if kind == "session_end":
            said = entry["body"]["entries"], entry["body"]["session_root"]
            need(said == (self.edge.size, self.edge.root().hex()), "it sums up others", at)
        self.ended, self.previous = kind in ("session_end", "session_torn"), leaf.hex()
        self.edge.push(leaf)

def read_entry(line, at):
    entry = json.loads(line)
    need(entry["v"] == 1, "it is no entry of this format", at)
    return entry
