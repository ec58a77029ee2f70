// Scores statements by what they do.

let settings;

const isScore = (value) => Number.isInteger(value) && value >= 0 && value <= 100;

export const lifecycle = {
  configure(text) {
    const given = JSON.parse(text);
    const known = ["verbs", "unbounded"];
    const unknown = Object.keys(given).filter((key) => !known.includes(key));
    const problems = unknown.map((path) => ({ path, message: "unknown" }));
    if (typeof given.verbs !== "object" || given.verbs === null) {
      problems.push({ path: "verbs", message: "expected a table of scores" });
    }
    for (const [verb, score] of Object.entries(given.verbs ?? {})) {
      if (!isScore(score)) problems.push({ path: `verbs.${verb}`, message: "expected 0 to 100" });
    }
    if (!isScore(given.unbounded)) {
      problems.push({ path: "unbounded", message: "expected 0 to 100" });
    }
    if (problems.length > 0) throw problems;
    settings = { verbs: new Map(Object.entries(given.verbs)), unbounded: given.unbounded };
    return { name: "{{name}}", version: "0.1.0" };
  },
};

export const risk = {
  score(session, operation) {
    // `acts` and not `verb`: a DELETE can stand inside a WITH.
    const findings = operation.acts
      .filter((act) => settings.verbs.has(act))
      .map((act) => ({
        rule: `verb.${act}`,
        score: settings.verbs.get(act),
        message: `\`${act}\``,
      }));
    if (operation.attributes.some(([name]) => name === "unbounded_write")) {
      const score = settings.unbounded;
      findings.push({ rule: "unbounded", score, message: "writes every row" });
    }
    return { score: Math.max(0, ...findings.map((one) => one.score)), findings };
  },
};
