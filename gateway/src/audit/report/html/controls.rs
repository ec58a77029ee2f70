//! Which entries may serve as evidence for which control. It lists what is there, and claims no
//! compliance.

use std::fmt::{Result, Write};

use crate::audit::entry::kind;
use crate::audit::report::Report;

/// Control, what it asks for in short, and the types of entries that speak to it.
const CONTROLS: [(&str, &str, &[&str]); 8] = [
    ("PCI DSS 4.0.1, 10.2.1.1", "individual access to data", &[kind::REQUEST, kind::RESPONSE]),
    ("PCI DSS 4.0.1, 10.2.2", "who, what, when, outcome, origin", &[kind::SESSION_START]),
    ("PCI DSS 4.0.1, 10.3.4", "changes of the log show", &[kind::SESSION_END]),
    ("HIPAA 164.312(b)", "activity is recorded", &[kind::REQUEST]),
    ("SOC 2 CC6.1", "access by identity", &[kind::SESSION_START]),
    ("SOC 2 CC7.2", "activity is monitored", &[kind::REQUEST]),
    (
        "EU AI Act, article 12",
        "automatic records of an AI system",
        &[kind::REQUEST, kind::RESPONSE],
    ),
    ("EU AI Act, article 14", "oversight by persons", &[kind::APPROVAL]),
];
/// Entries that a row links to.
const LINKS_MAX: usize = 12;

pub(super) fn section(out: &mut String, report: &Report<'_>) -> Result {
    writeln!(
        out,
        "<section><h2>Controls</h2><p>Entries that may serve as evidence. Whether a control is met \
         is for its auditor to say.</p><div class=\"scroll\"><table>\
         <tr><th>Control</th><th>About</th><th>Entries</th></tr>"
    )?;
    for (control, about, kinds) in CONTROLS {
        let entries: Vec<u64> = report
            .timeline
            .iter()
            .filter(|moment| kinds.contains(&moment.kind))
            .map(|moment| moment.index)
            .collect();
        let links = entries
            .iter()
            .take(LINKS_MAX)
            .map(|index| format!("<a href=\"#entry-{index}\">{index}</a>"));
        let links = links.collect::<Vec<_>>().join(" ");
        let links = match entries.len().saturating_sub(LINKS_MAX) {
            0 if entries.is_empty() => "none in this session".to_owned(),
            0 => links,
            more => format!("{links} and {more} more"),
        };
        writeln!(out, "<tr><td>{control}</td><td>{about}</td><td>{links}</td></tr>")?;
    }
    writeln!(out, "</table></div></section>")
}
