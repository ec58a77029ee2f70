"""Hides columns by where their values come from, and secrets wherever they stand in a text."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    ColumnPlan_Inspect,
    ColumnPlan_Mask,
    ColumnPlan_Pass,
    Edits,
    Manifest,
    Mask_Fixed,
    MaskBy,
    Problem,
    Scanned_Clean,
    Scanned_Edit,
)

from names import matches

NULL = 1 << 31
TEXTS = {"text", "varchar", "bpchar", "json", "jsonb"}
settings = {}


class Lifecycle(exports.Lifecycle):
    def configure(self, text):
        given = json.loads(text)
        problems = [
            Problem(key, "unknown") for key in given if key not in ("columns", "secrets")
        ]
        for key, needed in (("columns", True), ("secrets", False)):
            value = given.get(key, None if needed else [])
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                problems.append(Problem(key, "expected a list of texts"))
        if problems:
            raise Err(problems)
        settings.update(columns=given["columns"], secrets=given.get("secrets", []))
        return Manifest("{{name}}", "0.1.0")


class Mask(exports.Mask):
    def plan(self, session, columns):
        return [plan(column) for column in columns]

    def scan(self, ends, data):
        cells, edit_ends, edit_data, start = [], [], b"", 0
        for number, end in enumerate(ends):
            stop = end & ~NULL
            cell = bytes(data[start:stop])
            start = stop
            if end & NULL == 0 and any(secret.encode() in cell for secret in settings["secrets"]):
                edit_data += b"[secret]"
                cells.append(number)
                edit_ends.append(len(edit_data))
        if not cells:
            return Scanned_Clean()
        return Scanned_Edit(Edits(cells, edit_ends, edit_data))


def plan(column):
    if any(matches(one, origin) for one in settings["columns"] for origin in column.origins):
        return ColumnPlan_Mask(MaskBy(Mask_Fixed("[hidden]"), "hide.column"))
    return ColumnPlan_Inspect() if column.type_name in TEXTS else ColumnPlan_Pass()
