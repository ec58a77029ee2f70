"""Scores statements by what they do."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Assessment, Finding, Manifest, Problem

settings = {}


def is_score(value):
    return type(value) is int and 0 <= value <= 100


class Lifecycle(exports.Lifecycle):
    def configure(self, text):
        given = json.loads(text)
        problems = [
            Problem(key, "unknown") for key in given if key not in ("verbs", "unbounded")
        ]
        verbs, unbounded = given.get("verbs"), given.get("unbounded")
        if not isinstance(verbs, dict):
            problems.append(Problem("verbs", "expected a table of scores"))
        else:
            wrong = [verb for verb, score in verbs.items() if not is_score(score)]
            problems += [Problem("verbs." + verb, "expected 0 to 100") for verb in wrong]
        if not is_score(unbounded):
            problems.append(Problem("unbounded", "expected 0 to 100"))
        if problems:
            raise Err(problems)
        settings.update(verbs=verbs, unbounded=unbounded)
        return Manifest("{{name}}", "0.1.0")


class Risk(exports.Risk):
    def score(self, session, operation):
        # `acts` and not `verb`: a DELETE can stand inside a WITH.
        findings = [
            Finding("verb." + act, settings["verbs"][act], "`" + act + "`")
            for act in operation.acts
            if act in settings["verbs"]
        ]
        if ("unbounded_write", "true") in operation.attributes:
            findings.append(Finding("unbounded", settings["unbounded"], "writes every row"))
        return Assessment(max((one.score for one in findings), default=0), findings)
