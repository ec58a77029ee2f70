"""A log as a directory of tiles, for verify.py: first every hash up to the signed root, then what
the entries say."""
from tlog import Chain, Edge, get, key_of, need, read_entry, sha256

def tile_path(level, number, size):
    count = min((size >> 8 * (level or 0)) - number * 256, 256)
    path, rest = f"{number % 1000:03}", number // 1000
    while rest:
        path, rest = f"x{rest % 1000:03}/{path}", rest // 1000
    path = f"tile/{'entries' if level is None else level}/{path}"
    return path if count == 256 else f"{path}.p/{count}"

def judge_tiles(files, pin=None, checkpoint=None):
    key = key_of(files, pin)
    kept = key.checkpoint(checkpoint) if checkpoint else (-1, None)
    size, root = key.checkpoint(get(files, "checkpoint").decode())
    need(kept[0] <= size, f"the log has {size} entries, your checkpoint {kept[0]}", code=2)
    names, levels, edge, leaves = {"log.vkey", "checkpoint"}, [[]], Edge(), []
    def tile(level, number, hashes):
        names.add(path := tile_path(level, number, size))
        need(get(files, path) == b"".join(hashes), f"{path} is not that of its entries")
    for number in range(-(-size // 256)):
        path, below = tile_path(None, number, size), tile_path(0, number, size)
        names.update((path, below))
        data, entries = get(files, path), []
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            need(len(data) >= max(end, 2), f"{path} ends within an entry")
            entries, data = entries + [data[2:end]], data[end:]
        need(len(entries) == min(size - number * 256, 256), f"{path} has another number of them")
        said = get(files, below)
        for place, line in enumerate(entries):
            leaf = sha256(b"\0", line)
            need(said[place * 32:place * 32 + 32] == leaf, "its leaf hash is another", edge.size)
            leaves.append((line, leaf))
            levels[0].append(leaf)
            edge.push(leaf)
            need(edge.size != kept[0] or edge.root() == kept[1], "not what your checkpoint signs")
        need(len(said) == len(entries) * 32, f"{below} holds more than its entries' hashes")
        for level, hashes in enumerate(levels):
            if len(hashes) == 256:
                if level:
                    tile(level, (edge.size >> 8 * (level + 1)) - 1, hashes)
                levels += [[]] if level + 1 == len(levels) else []
                levels[level + 1].append(Edge(hashes).root())
                levels[level] = []
    need(edge.root() == root, "the entries do not lead to the signed root")
    for level, hashes in enumerate(levels):
        if hashes:
            tile(level, size >> 8 * (level + 1), hashes)
    need(set(files) == names, "there are files that belong to no tile")
    chains = {}
    for at, (line, leaf) in enumerate(leaves):
        entry = read_entry(line, at)
        boot = entry["type"], entry["body"].get("origin"), entry["body"].get("key")
        need(at or boot == ("boot", key.name, key.text), "the first entry is not its boot", 0)
        if "sess" in entry:
            chains.setdefault(entry["sess"], Chain()).follow(entry, leaf, at)
    return f"{key.name}, {size} entries, {len(chains)} sessions"
