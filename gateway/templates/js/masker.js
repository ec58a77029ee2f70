// Hides columns by where their values come from, and secrets wherever they stand in a text.

import { matches, problemsOf } from "./names.js";

const NULL = 0x80000000;
const TEXTS = ["text", "varchar", "bpchar", "json", "jsonb"];
const decoder = new TextDecoder();
const encoder = new TextEncoder();
let settings;

export const lifecycle = {
  configure(text) {
    const given = JSON.parse(text);
    const problems = problemsOf(given, { columns: true, secrets: false });
    if (problems.length > 0) throw problems;
    settings = { columns: given.columns, secrets: given.secrets ?? [] };
    return { name: "{{name}}", version: "0.1.0" };
  },
};

export const mask = {
  plan(session, columns) {
    return columns.map((column) => {
      const named = settings.columns.some((one) => column.origins.some((o) => matches(one, o)));
      if (named) {
        const mask = { tag: "fixed", val: "[hidden]" };
        return { tag: "mask", val: { mask, rule: "hide.column" } };
      }
      return { tag: TEXTS.includes(column.typeName) ? "inspect" : "pass" };
    });
  },

  scan(ends, data) {
    const replacement = encoder.encode("[secret]");
    const cells = [];
    let start = 0;
    ends.forEach((end, number) => {
      const isNull = end >= NULL;
      const stop = isNull ? end - NULL : end;
      const text = decoder.decode(data.slice(start, stop));
      start = stop;
      if (!isNull && settings.secrets.some((secret) => text.includes(secret))) cells.push(number);
    });
    if (cells.length === 0) return { tag: "clean" };
    const edited = new Uint8Array(cells.length * replacement.length);
    cells.forEach((_, at) => edited.set(replacement, at * replacement.length));
    return {
      tag: "edit",
      val: {
        cells: Uint32Array.from(cells),
        ends: Uint32Array.from(cells, (_, at) => (at + 1) * replacement.length),
        data: edited,
      },
    };
  },
};
