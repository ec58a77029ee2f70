"""What PostgreSQL's grammar says of statements, read by other hands than the gateway's.

Reads one text a line on standard input, each as a JSON string, and answers each with a line of
JSON: `null` for a text that the grammar refuses, else a list with one reading a statement. The
parser and the finding of relations are pglast's (https://pypi.org/project/pglast); command tags
and what counts as a change follow PostgreSQL's utility.c (CreateCommandTag, GetCommandLogLevel).
"""

import json
import re
import sys

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError
from pglast.visitors import ReferencedRelations, Skip

# Command tags of statements whose node is not named like them.
TAGS = {
    "AlterDatabaseRefreshCollStmt": "ALTER DATABASE",
    "AlterDatabaseSetStmt": "ALTER DATABASE",
    "AlterDefaultPrivilegesStmt": "ALTER DEFAULT PRIVILEGES",
    "AlterEnumStmt": "ALTER TYPE",
    "AlterEventTrigStmt": "ALTER EVENT TRIGGER",
    "AlterExtensionContentsStmt": "ALTER EXTENSION",
    "AlterFdwStmt": "ALTER FOREIGN DATA WRAPPER",
    "AlterForeignServerStmt": "ALTER SERVER",
    "AlterOpFamilyStmt": "ALTER OPERATOR FAMILY",
    "AlterRoleSetStmt": "ALTER ROLE",
    "AlterSeqStmt": "ALTER SEQUENCE",
    "AlterStatsStmt": "ALTER STATISTICS",
    "AlterTableMoveAllStmt": "ALTER TABLE",
    "AlterTableSpaceOptionsStmt": "ALTER TABLESPACE",
    "AlterTSConfigurationStmt": "ALTER TEXT SEARCH CONFIGURATION",
    "AlterTSDictionaryStmt": "ALTER TEXT SEARCH DICTIONARY",
    "CheckPointStmt": "CHECKPOINT",
    "ClosePortalStmt": "CLOSE",
    "CompositeTypeStmt": "CREATE TYPE",
    "ConstraintsSetStmt": "SET CONSTRAINTS",
    "CreateAmStmt": "CREATE ACCESS METHOD",
    "CreateEnumStmt": "CREATE TYPE",
    "CreateEventTrigStmt": "CREATE EVENT TRIGGER",
    "CreateFdwStmt": "CREATE FOREIGN DATA WRAPPER",
    "CreateForeignServerStmt": "CREATE SERVER",
    "CreateOpClassStmt": "CREATE OPERATOR CLASS",
    "CreateOpFamilyStmt": "CREATE OPERATOR FAMILY",
    "CreatePLangStmt": "CREATE LANGUAGE",
    "CreateRangeStmt": "CREATE TYPE",
    "CreateSeqStmt": "CREATE SEQUENCE",
    "CreateStatsStmt": "CREATE STATISTICS",
    "CreateStmt": "CREATE TABLE",
    "CreateTableSpaceStmt": "CREATE TABLESPACE",
    "CreateTrigStmt": "CREATE TRIGGER",
    "CreatedbStmt": "CREATE DATABASE",
    "DropTableSpaceStmt": "DROP TABLESPACE",
    "DropdbStmt": "DROP DATABASE",
    "IndexStmt": "CREATE INDEX",
    "LockStmt": "LOCK TABLE",
    "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW",
    "RuleStmt": "CREATE RULE",
    "SecLabelStmt": "SECURITY LABEL",
    "TruncateStmt": "TRUNCATE TABLE",
    "VariableShowStmt": "SHOW",
    "ViewStmt": "CREATE VIEW",
}
# Which field says what kind of object the statement is about.
ABOUT = {
    "AlterObjectDependsStmt": ("ALTER", "objectType"),
    "AlterObjectSchemaStmt": ("ALTER", "objectType"),
    "AlterOwnerStmt": ("ALTER", "objectType"),
    "AlterTableStmt": ("ALTER", "objtype"),
    "DefineStmt": ("CREATE", "kind"),
    "DropStmt": ("DROP", "removeType"),
    "RenameStmt": ("ALTER", "renameType"),
}
# What is renamed as a part of something else.
WHOLES = {"ATTRIBUTE": "TYPE", "DOMAIN CONSTRAINT": "DOMAIN", "TABCONSTRAINT": "TABLE"}
# Objects that a tag names in other words than their kind.
WORDS = {
    "DOMCONSTRAINT": "DOMAIN CONSTRAINT",
    "FDW": "FOREIGN DATA WRAPPER",
    "FOREIGN SERVER": "SERVER",
    "MATVIEW": "MATERIALIZED VIEW",
    "OPCLASS": "OPERATOR CLASS",
    "OPFAMILY": "OPERATOR FAMILY",
    "STATISTIC EXT": "STATISTICS",
    "TSCONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "TSDICTIONARY": "TEXT SEARCH DICTIONARY",
    "TSPARSER": "TEXT SEARCH PARSER",
    "TSTEMPLATE": "TEXT SEARCH TEMPLATE",
}
# GetCommandLogLevel: what changes rows, and what is neither a change of rows nor of the schema.
CHANGES_ROWS = {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TruncateStmt"}
CHANGES_NOTHING = {
    "CallStmt", "CheckPointStmt", "ClosePortalStmt", "ConstraintsSetStmt", "CopyStmt",
    "DeallocateStmt", "DeclareCursorStmt", "DiscardStmt", "DoStmt", "ExecuteStmt", "ExplainStmt",
    "FetchStmt", "ListenStmt", "LoadStmt", "LockStmt", "NotifyStmt", "PLAssignStmt", "PrepareStmt",
    "ReindexStmt", "ReturnStmt", "SelectStmt", "SetOperationStmt", "TransactionStmt",
    "UnlistenStmt", "VacuumStmt", "VariableSetStmt", "VariableShowStmt",
}
# Statements that keep a setting for others than the session.
KEEPERS = ("AlterDatabaseSetStmt", "AlterFunctionStmt", "AlterRoleSetStmt", "AlterSystemStmt",
           "CreateFunctionStmt")
RELATIONS = {"TABLE", "VIEW", "MATERIALIZED VIEW", "INDEX", "SEQUENCE", "FOREIGN TABLE"}
# What belongs to a relation and is named with it.
PARTS = {"TRIGGER", "RULE", "POLICY", "COLUMN", "TABCONSTRAINT"}

# pglast takes the names in FOR UPDATE OF, which are those of FROM, for relations of their own,
# and knows no WITH of MERGE.
ReferencedRelations.visit_LockingClause = lambda *_: Skip
ReferencedRelations.visit_MergeStmt = ReferencedRelations.visit_SelectStmt


def kind(node):
    return type(node).__name__


def parts_of(value):
    """The names in a list of String nodes."""
    if isinstance(value, ast.ObjectWithArgs):
        value = value.objname
    if isinstance(value, ast.TypeName):
        value = value.names
    if isinstance(value, ast.String):
        return [value.sval]
    if not isinstance(value, (tuple, list)):
        return []
    return [part.sval for part in value if isinstance(part, ast.String)]


def relation(node):
    """A RangeVar as its schema, if there is one, and name."""
    return [part for part in (node.schemaname, node.relname) if part]


def children(node):
    """Every node below one, with the field it lies in."""
    if isinstance(node, (tuple, list)):
        for item in node:
            yield from children(item)
    elif isinstance(node, ast.Node):
        yield node


def below(node):
    for field in node:
        for child in children(getattr(node, field)):
            yield field, child


def word(value):
    name = enums.ObjectType(value).name.removeprefix("OBJECT_").replace("_", " ")
    return WORDS.get(name, name)


def spaced(camel):
    text = "".join(" " + letter if letter.isupper() else letter for letter in camel)
    return text.strip().upper()


def tag(node):
    name = kind(node)
    if name == "RenameStmt" and node.renameType == enums.ObjectType.OBJECT_COLUMN:
        return "ALTER " + word(node.relationType)
    if name in ABOUT:
        verb, field = ABOUT[name]
        about = word(getattr(node, field))
        return f"{verb} {WHOLES.get(about, about)}"
    if name in ("GrantStmt", "GrantRoleStmt"):
        return "GRANT" if node.is_grant else "REVOKE"
    if name == "CreateFunctionStmt":
        return "CREATE PROCEDURE" if node.is_procedure else "CREATE FUNCTION"
    if name == "CreateTableAsStmt":
        matview = node.objtype == enums.ObjectType.OBJECT_MATVIEW
        return "CREATE MATERIALIZED VIEW" if matview else "CREATE TABLE AS"
    if name == "FetchStmt":
        return "MOVE" if node.ismove else "FETCH"
    if name == "SelectStmt":
        return "SELECT INTO" if node.intoClause else "SELECT"
    if name == "VacuumStmt":
        return "VACUUM" if node.is_vacuumcmd else "ANALYZE"
    if name == "VariableSetStmt":
        kinds = enums.VariableSetKind
        reset = node.kind in (kinds.VAR_RESET, kinds.VAR_RESET_ALL)
        return "RESET" if reset else "SET"
    if name == "TransactionStmt":
        return transaction(node)
    if name == "CopyStmt":
        return "COPY PROGRAM" if node.is_program else "COPY FROM" if node.is_from else "COPY TO"
    if name == "ExplainStmt":
        return "EXPLAIN ANALYZE" if runs(node) else "EXPLAIN"
    return TAGS.get(name) or spaced(name.removesuffix("Stmt"))


def transaction(node):
    name = enums.TransactionStmtKind(node.kind).name.removeprefix("TRANS_STMT_").replace("_", " ")
    return {"PREPARE": "PREPARE TRANSACTION", "START": "START TRANSACTION"}.get(name, name)


def clause(node):
    """What a clause of MERGE or ON CONFLICT does to rows."""
    if isinstance(node, ast.MergeWhenClause) and node.commandType != enums.CmdType.CMD_NOTHING:
        return [enums.CmdType(node.commandType).name.removeprefix("CMD_")]
    if isinstance(node, ast.OnConflictClause):
        updates = node.action == enums.OnConflictAction.ONCONFLICT_UPDATE
        return ["UPDATE"] if updates else []
    return []


def runs(explain):
    """Whether an EXPLAIN runs its statement (the last of several options counts)."""
    said = False
    for option in explain.options or ():
        if option.defname == "analyze":
            said = option.arg is None or constant(option.arg) not in ("0", "false", "off")
    return said


def constant(node):
    """A literal as text; None for anything else."""
    if isinstance(node, ast.TypeCast):
        return constant(node.arg)
    if isinstance(node, ast.A_Const):
        return None if node.isnull else constant(node.val)
    if isinstance(node, ast.String):
        return node.sval
    if isinstance(node, ast.Float):
        return node.fval
    if isinstance(node, ast.Integer):
        return str(node.ival)
    if isinstance(node, ast.Boolean):
        return "true" if node.boolval else "false"
    return None


class Reading:
    """One statement."""

    def __init__(self, statement):
        self.kinds, self.functions, self.settings = [], [], []
        self.written, self.columns, self.transactions = [], [], []
        self.star, self.level = False, "all"
        self.walk(statement, True, False)
        self.relations = relations(statement)

    def found(self):
        return {
            "kinds": self.kinds,
            "level": self.level,
            "relations": self.relations,
            "written": self.written,
            "functions": self.functions,
            "settings": self.settings,
            "transactions": self.transactions,
            "columns": self.columns,
            "star": self.star,
        }

    def walk(self, node, running, stored):
        name = kind(node)
        if name.endswith("Stmt"):
            if running:
                self.kinds.append(tag(node))
                self.weigh(node, name)
                self.writes(node, name)
        elif running:
            self.kinds.extend(clause(node))
        if name == "ExplainStmt":
            running = running and runs(node)
        stored = stored or name in KEEPERS
        method = getattr(self, "see_" + name, None)
        if method:
            method(node, stored)
        for _, child in below(node):
            self.walk(child, running, stored)

    def weigh(self, node, name):
        ddl = name not in CHANGES_ROWS and name not in CHANGES_NOTHING
        if ddl or (name == "SelectStmt" and node.intoClause):
            self.level = "ddl"
        elif self.level == "all" and (name in CHANGES_ROWS or (name == "CopyStmt" and node.is_from)):
            self.level = "mod"

    def writes(self, node, name):
        """Relations that a statement changes, by the field that names them."""
        fields = ["relation", "view", "table", "sequence"]
        if name in ("CopyStmt", "LockStmt", "RangeSubselect") and not getattr(node, "is_from", 0):
            fields = []
        for field in fields:
            target = getattr(node, field, None)
            if isinstance(target, ast.RangeVar):
                self.written.append(relation(target))
        into = getattr(node, "into" if name == "CreateTableAsStmt" else "intoClause", None)
        if into is not None and into.rel is not None:
            self.written.append(relation(into.rel))
        if name == "TruncateStmt":
            self.written.extend(relation(one) for one in node.relations)
        if name == "DropStmt" and word(node.removeType) in RELATIONS:
            self.written.extend(parts_of(one)[-2:] for one in node.objects)
        if name == "DropStmt" and word(node.removeType) in PARTS:
            self.written.extend(parts_of(one)[:-1][-2:] for one in node.objects)
        if name == "GrantStmt" and node.objects:
            self.written.extend(relation(o) for o in node.objects if isinstance(o, ast.RangeVar))
        if name == "CommentStmt" and word(node.objtype) in RELATIONS:
            self.written.append(parts_of(node.object)[-2:])
        if name == "CommentStmt" and word(node.objtype) in PARTS:
            self.written.append(parts_of(node.object)[:-1][-2:])

    def see_FuncCall(self, node, _):
        names = parts_of(node.funcname)[-2:]
        self.functions.append(names)
        if names[-1] == "set_config" and node.args:
            name = constant(node.args[0])
            named = any(isinstance(arg, ast.NamedArgExpr) for arg in node.args)
            self.settings.append({"name": "*" if named or not name else name.lower()})

    def see_CreateTrigStmt(self, node, _):
        self.functions.append(parts_of(node.funcname)[-2:])

    see_CreateEventTrigStmt = see_CreateFunctionStmt = see_CreateTrigStmt

    def see_ColumnRef(self, node, _):
        if isinstance(node.fields[-1], ast.A_Star):
            self.star = True
        else:
            self.columns.append(node.fields[-1].sval)

    def see_TransactionStmt(self, node, _):
        self.transactions.append(transaction(node))
        for option in node.options or ():
            self.settings.append({"name": option.defname, "scope": "transaction"})

    def see_DiscardStmt(self, node, _):
        if node.target == enums.DiscardMode.DISCARD_ALL:
            self.settings.append({"name": "*", "scope": "session"})

    def see_VariableSetStmt(self, node, stored):
        kinds = enums.VariableSetKind
        scope = "stored" if stored else "transaction" if node.is_local else "session"
        if node.kind == kinds.VAR_SET_MULTI:
            prefix = "default_" if node.name == "SESSION CHARACTERISTICS" else ""
            scope = "session" if prefix else "transaction"
            if node.name == "TRANSACTION SNAPSHOT":
                self.settings.append({"name": "transaction_snapshot", "scope": scope})
                return
            for option in node.args:
                self.settings.append({"name": prefix + option.defname, "scope": scope})
            return
        one = {"name": node.name.lower() if node.name else "*", "scope": scope}
        if node.kind == kinds.VAR_SET_VALUE and len(node.args) == 1:
            value = constant(node.args[0])
            if value is not None and one["name"] != "search_path":
                one["value"] = value
        self.settings.append(one)


def relations(statement):
    """What pglast itself finds, each as its schema, if there is one, and name."""
    found = []
    for name in sorted(ReferencedRelations()(statement)):
        parts = re.findall(r'"(?:[^"]|"")*"|[^.]+', name)
        found.append([unquoted(part) for part in parts[-2:]])
    return found


def unquoted(name):
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def read(text):
    try:
        statements = parse_sql(text)
    except ParseError:
        return None
    readings = []
    for raw in statements:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(text)
        cut = text[raw.stmt_location : end].strip()
        readings.append(Reading(raw.stmt).found() | {"text": cut})
    return readings


def main():
    sys.setrecursionlimit(100_000)
    for line in sys.stdin:
        print(json.dumps(read(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
