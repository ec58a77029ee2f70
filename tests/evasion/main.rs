//! Attacks on the gateway. Each is run without the guard that has to stop it, where it must work,
//! and with that guard, where no hidden value may reach the client in any form, the answer may
//! not hang on hidden values at all, and nothing may be changed. An attack that does not work
//! unguarded proves nothing, so it fails too.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod canary;
mod case;
mod code;
mod copy;
mod derived;
mod doors;
mod ground;
mod late;
mod launder;
mod lexer;
mod modes;
mod origins;
mod peer;
mod predicates;
mod run;
mod settings;
mod shadows;
mod statements;
mod stream;
mod verbs;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::canary::SETS;
use crate::case::Case;
use crate::case::Guard::{Calls, Masks, Verbs};
use crate::ground::{Database, Ground, LANES, Open};
use crate::run::Wrong;

/// The classes of cases, each with its file.
const CLASSES: [(&str, &[Case]); 16] = [
    ("code", code::CASES),
    ("copy", copy::CASES),
    ("derived", derived::CASES),
    ("doors", doors::CASES),
    ("late", late::CASES),
    ("launder", launder::CASES),
    ("lexer", lexer::CASES),
    ("origins", origins::CASES),
    ("peer", peer::CASES),
    ("predicates", predicates::CASES),
    ("settings", settings::CASES),
    ("shadows", shadows::CASES),
    ("statements", statements::CASES),
    ("stream", stream::CASES),
    ("verbs", verbs::CASES),
    ("wire", wire::CASES),
];

/// So many there are at least; fewer were lost.
const CASES_MIN: usize = 800;

/// Runs only the cases whose class or name holds this, for whoever looks into one.
const ONLY: &str = "EVASION_ONLY";

/// Attacks that get through, one a line, and why nothing stops them. They are no part of what the
/// gateway promises; one that is stopped has to leave this list.
const THROUGH: &str = include_str!("through.txt");

fn through() -> Vec<&'static str> {
    THROUGH.lines().filter_map(|line| Some(line.split_once(" | ")?.0)).collect()
}

#[test]
fn no_attack_gets_past_its_guard() {
    let only = std::env::var(ONLY).unwrap_or_default();
    let all: Vec<(&str, &Case)> = CLASSES
        .iter()
        .flat_map(|(class, cases)| cases.iter().map(move |it| (*class, it)))
        .collect();
    let through = through();
    assert!(all.len() - through.len() >= CASES_MIN, "{} cases", all.len());
    let chosen: Vec<_> =
        all.into_iter().filter(|(class, case)| label(class, case).contains(&only)).collect();
    let ground = Ground::new(&[None, Some(Masks), Some(Verbs), Some(Calls)]);
    let open = ground.open();
    let mut failures = Vec::new();
    let mut stopped: Vec<(&str, usize)> = CLASSES.map(|(class, _)| (class, 0)).to_vec();
    for (class, case, ended) in outcomes(&open, &chosen, run::check) {
        let ended = ended.unwrap_or_else(|| Err(Wrong::Case("it panicked".into())));
        let label = label(class, case);
        match (ended, through.contains(&label.as_str())) {
            (Ok(()), false) => {
                stopped.iter_mut().filter(|(of, _)| *of == class).for_each(|(_, n)| *n += 1);
            }
            (Ok(()), true) => failures.push(format!("{label}: is stopped: take it off the list")),
            (Err(Wrong::Through(_)), true) => {}
            (Err(wrong), _) => failures.push(format!("{label}: {wrong}")),
        }
    }
    let counts: Vec<String> = stopped.iter().map(|(class, n)| format!("{class} {n}")).collect();
    let total: usize = stopped.iter().map(|(_, n)| n).sum();
    let open = format!("{} known to get through", through.len());
    let line =
        format!("evasion: {total} of {} stopped, {open}: {}", chosen.len(), counts.join(", "));
    assert!(failures.is_empty(), "{}\n\n{line}", failures.join("\n\n"));
    eprintln!("{line}");
}

/// What a case is called: each of a class has a name of its own.
fn label(class: &str, case: &Case) -> String {
    format!("{class}: {}", case.name)
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<String> = CLASSES
        .iter()
        .flat_map(|(class, cases)| cases.iter().map(|case| label(class, case)))
        .collect();
    let total = names.len();
    for line in through() {
        assert!(names.iter().any(|name| name == line), "no case is called {line:?}");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), total, "two cases of a class have the same name");
}

/// What became of every case; `None` where it panicked.
fn outcomes<'a, T: Send>(
    open: &Open<'_>,
    cases: &[(&'static str, &'a Case)],
    run: impl Fn(&Open<'_>, &[Database<'_>; 2], &Case) -> T + Sync,
) -> Vec<(&'static str, &'a Case, Option<T>)> {
    let (next, outcomes, run) = (AtomicUsize::new(0), Mutex::new(Vec::new()), &run);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (next, outcomes) = (&next, &outcomes);
            scope.spawn(move || {
                let databases = SETS.map(|set| open.database(lane, set));
                while let Some((class, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = AssertUnwindSafe(|| run(open, &databases, case));
                    let ended = catch_unwind(run).ok();
                    outcomes.lock().expect("nobody panics with it").push((*class, *case, ended));
                }
            });
        }
    });
    outcomes.into_inner().expect("nobody panics with it")
}
