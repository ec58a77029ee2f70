// Has a person approve writes to guarded tables, and refuses what could write them unseen.

import { matches, problemsOf } from "./names.js";

let settings;

export const lifecycle = {
  configure(text) {
    const given = JSON.parse(text);
    const problems = problemsOf(given, { tables: true, approvers: false });
    if (problems.length > 0) throw problems;
    settings = { tables: given.tables, approvers: given.approvers ?? [] };
    return { name: "{{name}}", version: "0.1.0" };
  },
};

export const guard = {
  check(session, operation) {
    if (operation.class === "code") {
      const reason = "code could write a guarded table unseen";
      return ruling({ tag: "deny", val: { rule: "guarded.code", reason } });
    }
    const written = operation.resources.find(
      ({ kind, access, name }) =>
        kind === "relation" &&
        access === "write" &&
        settings.tables.some((table) => matches(table, name)),
    );
    if (!written) return ruling({ tag: "abstain" });
    const reason = `writes ${written.name}`;
    const { approvers } = settings;
    return ruling({ tag: "hold", val: { rule: "guarded.write", reason, approvers } });
  },
};

function ruling(decision) {
  return { decision, findings: [] };
}
