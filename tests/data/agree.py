"""Judges many pieces of evidence for the tests: one JSON object a line on standard input (`tar`: a
path, or `files`: name to base64, and `key`), one JSON list a line back: code and first bad entry."""
import base64, json, pathlib, sys
from verify import Key, judge

for line in sys.stdin:
    asked = json.loads(line)
    if "files" in asked:
        evidence = {name: base64.b64decode(data) for name, data in asked["files"].items()}
    else:
        evidence = base64.b64decode(asked["tar"])
    code, index, what = judge(evidence, Key(asked["key"]) if asked.get("key") else None)
    print(json.dumps([code, index, str(what)]), flush=True)
