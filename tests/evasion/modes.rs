//! The looser modes of masking: `modes.txt` says what cases of each class may do there, which is
//! what `docs/masking.md` promises. `make test` tries a few cases of each class, and all of them
//! run with `EVASION_MODES=all`.

use std::collections::BTreeMap;

use crate::case::{Case, Guard};
use crate::ground::Ground;
use crate::run::{self, Past};
use crate::{CLASSES, ONLY, label, outcomes, through};

/// What each class of cases may do in each mode, and the cases that show a value there.
const TABLE: &str = include_str!("modes.txt");
/// `all` runs every case.
const WHOLE: &str = "EVASION_MODES";
/// Of so many cases of a class one is run.
const SAMPLE: usize = 16;

/// The most that a case of a class may do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum May {
    /// Nothing: the mode stops each as `strict` does.
    Nothing,
    /// Its answer may hang on hidden values, which are in no answer.
    Tell,
    /// Those that are listed show a hidden value.
    Show,
}

/// What the table says of one mode: each class, and the labels of cases that show.
#[derive(Default)]
struct Promise<'a> {
    classes: BTreeMap<&'a str, May>,
    shows: Vec<&'a str>,
}

fn promise(mode: &str) -> Promise<'static> {
    let mut promise = Promise::default();
    let mut section = "";
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("mode ") {
            section = name;
        } else if section == mode {
            match line.strip_prefix("+ ") {
                Some(label) => promise.shows.push(label),
                None => {
                    let (class, may) = line.split_once(" may ").expect("`class may ...`");
                    let may = match may {
                        "do nothing" => May::Nothing,
                        "tell" => May::Tell,
                        "show" => May::Show,
                        other => panic!("nothing may {other:?}"),
                    };
                    assert_eq!(promise.classes.insert(class, may), None, "{class} stands twice");
                }
            }
        }
    }
    promise
}

/// The cases that are tried: those that a masking policy has to stop.
fn chosen() -> (Vec<(&'static str, &'static Case)>, bool) {
    let only = std::env::var(ONLY).unwrap_or_default();
    let whole = std::env::var(WHOLE).is_ok_and(|value| value == "all");
    let through = through();
    let mut chosen = Vec::new();
    for (class, cases) in CLASSES {
        let masked = cases.iter().filter(|case| case.guard == Guard::Masks);
        let stopped = masked.filter(|case| !through.contains(&label(class, case).as_str()));
        let sampled = stopped.enumerate().filter(|(at, _)| whole || at % SAMPLE == 0);
        let wanted = sampled.map(|(_, case)| case).filter(|it| label(class, it).contains(&only));
        chosen.extend(wanted.map(|case| (class, case)));
    }
    (chosen, whole && only.is_empty())
}

fn keeps_its_promise(guard: Guard, mode: &str) {
    let promise = promise(mode);
    let (chosen, whole) = chosen();
    let ground = Ground::new(&[Some(guard)]);
    let open = ground.open();
    let mut failures = Vec::new();
    let mut most: BTreeMap<&str, May> = BTreeMap::new();
    let ended =
        outcomes(&open, &chosen, |open, bases, case| run::stopped(open, bases, case, guard));
    for (class, case, past) in ended {
        let label = label(class, case);
        let (did, how) = match past {
            None => {
                failures.push(format!("{label}: it panicked"));
                continue;
            }
            Some(Ok(())) => (May::Nothing, String::new()),
            Some(Err(Past::Tells(how))) => (May::Tell, how),
            Some(Err(Past::Shows(how))) => (May::Show, how),
        };
        let most = most.entry(class).or_insert(May::Nothing);
        *most = (*most).max(did);
        let may = promise.classes.get(class).copied();
        let listed = promise.shows.contains(&label.as_str());
        if may.is_none_or(|may| did > may) || (did == May::Show) != listed {
            let how: String = how.chars().take(400).collect();
            failures.push(format!("{label}: may {may:?} (listed: {listed}), does {did:?}: {how}"));
        }
    }
    if whole {
        for (class, may) in &promise.classes {
            if most.get(class) != Some(may) {
                failures.push(format!("{class}: may {may:?}, and no case does as much"));
            }
        }
    }
    let count = chosen.len();
    assert!(failures.is_empty(), "{mode}, {count} cases:\n{}", failures.join("\n"));
    eprintln!("evasion: the mode {mode} keeps its promise in {count} cases");
}

#[test]
fn the_standard_mode_lets_through_what_it_says() {
    keeps_its_promise(Guard::Standard, "standard");
}

#[test]
fn the_values_mode_lets_through_what_it_says() {
    keeps_its_promise(Guard::Values, "values");
}
