"""Has a person approve writes to guarded tables, and refuses what could write them unseen."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    Access,
    ApprovalAsk,
    Decision_Abstain,
    Decision_Deny,
    Decision_Hold,
    Manifest,
    Problem,
    Refusal,
    Ruling,
)

from names import matches

settings = {}


class Lifecycle(exports.Lifecycle):
    def configure(self, text):
        given = json.loads(text)
        problems = [
            Problem(key, "unknown") for key in given if key not in ("tables", "approvers")
        ]
        for key, needed in (("tables", True), ("approvers", False)):
            value = given.get(key, None if needed else [])
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                problems.append(Problem(key, "expected a list of texts"))
        if problems:
            raise Err(problems)
        settings.update(tables=given["tables"], approvers=given.get("approvers", []))
        return Manifest("{{name}}", "0.1.0")


class Guard(exports.Guard):
    def check(self, session, operation):
        if operation.class_ == "code":
            reason = "code could write a guarded table unseen"
            return Ruling(Decision_Deny(Refusal("guarded.code", reason)), [])
        for thing in operation.resources:
            if thing.kind != "relation" or thing.access != Access.WRITE:
                continue
            if any(matches(table, thing.name) for table in settings["tables"]):
                reason = "writes " + thing.name
                ask = ApprovalAsk("guarded.write", reason, settings["approvers"], None)
                return Ruling(Decision_Hold(ask), [])
        return Ruling(Decision_Abstain(), [])
