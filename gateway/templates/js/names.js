// Names with `*`, read as the gateway writes them.

// Whether a pattern such as `public.customers.*` may mean a name. A name without its schema can
// be in any, so the shorter of the two decides. A quoted part is not taken apart here: it may be
// anything.
export function matches(pattern, name) {
  if (name.includes('"') || name === "*") return true;
  const wanted = pattern.toLowerCase().split(".").reverse();
  const parts = name.toLowerCase().split(".").reverse();
  return wanted.slice(0, parts.length).every((want, at) => part(want, parts[at]));
}

function part(want, text) {
  const words = want.split("*").map((word) => word.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${words.join(".*")}$`, "s").test(text);
}

// What is wrong with settings that should be lists of texts.
export function problemsOf(given, lists) {
  const unknown = Object.keys(given).filter((key) => !(key in lists));
  const problems = unknown.map((path) => ({ path, message: "unknown" }));
  for (const [path, needed] of Object.entries(lists)) {
    const value = given[path] ?? (needed ? null : []);
    if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) {
      problems.push({ path, message: "expected a list of texts" });
    }
  }
  return problems;
}
