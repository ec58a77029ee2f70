#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn head() -> Head {
    Head { columns: 80, rows: 24, began: 1_795_500_000, title: "a \"session\"".to_owned() }
}

/// Reads a cast as its specification says, and nothing else: header, then the times from the
/// beginning with code and data.
fn read(text: &str) -> (Value, Vec<(f64, String, String)>) {
    assert!(text.ends_with('\n'));
    let mut lines = text.lines();
    let header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let version = header["version"].as_u64().unwrap();
    let (columns, rows) = match version {
        2 => (&header["width"], &header["height"]),
        3 => (&header["term"]["cols"], &header["term"]["rows"]),
        other => panic!("version {other}"),
    };
    assert!(columns.as_u64().unwrap() > 0 && rows.as_u64().unwrap() > 0);
    assert!(header["timestamp"].is_u64() && header["title"].is_string());
    let (mut events, mut now) = (Vec::new(), 0.0);
    for line in lines {
        let event: Value = serde_json::from_str(line).unwrap();
        let [time, code, data] = event.as_array().unwrap().as_slice() else { panic!("{line}") };
        let (time, code) = (time.as_f64().unwrap(), code.as_str().unwrap());
        let known = if version == 2 { "oimr" } else { "oimrx" };
        assert!(code.len() == 1 && known.contains(code), "{line}");
        assert!(time >= 0.0, "{line}");
        if version == 2 {
            assert!(time >= now, "time goes back: {line}");
            now = time;
        } else {
            now += time;
        }
        events.push((now, code.to_owned(), data.as_str().unwrap().to_owned()));
    }
    (header, events)
}

#[test]
fn both_versions_say_the_same_at_the_same_times() {
    let mut casts = Vec::new();
    for version in [Version::V2, Version::V3] {
        let mut cast = Cast::begin(Vec::new(), version, &head()).unwrap();
        let millis = Duration::from_millis;
        cast.event(millis(10), Event::Output("shop=> ".as_bytes())).unwrap();
        cast.event(Duration::from_nanos(1_500_000_999), Event::Input(b"SELECT 1;\r")).unwrap();
        cast.event(millis(1_600), Event::Marker("allow, risk 3")).unwrap();
        cast.event(millis(1_700), Event::Output(b"caf\xc3")).unwrap();
        // The clock went back, and a character was cut.
        cast.event(millis(1_650), Event::Output(b"\xa9 \x1b[1m\xff")).unwrap();
        cast.event(millis(2_000), Event::Resize(100, 50)).unwrap();
        cast.event(millis(2_100), Event::Output(b"\xe2\x82")).unwrap();
        cast.event(millis(2_200), Event::Exit(7)).unwrap();
        casts.push(String::from_utf8(cast.end().unwrap()).unwrap());
    }
    let (header, second) = read(&casts[0]);
    assert_eq!((&header["width"], &header["title"]), (&Value::from(80), &"a \"session\"".into()));
    let (header, mut third) = read(&casts[1]);
    assert_eq!(header["term"]["cols"], 80);
    let exit = third.iter().position(|(_, code, _)| code == "x").unwrap();
    assert_eq!(third.remove(exit).2, "7");
    assert_eq!(second.len(), third.len());
    for (index, (a, b)) in second.iter().zip(&third).enumerate() {
        // What comes after the exit stands at its time in version 3.
        let last = index + 1 == second.len();
        assert!((a.0 - b.0).abs() < 1e-6 || last, "{a:?} {b:?}");
        assert_eq!((&a.1, &a.2), (&b.1, &b.2));
    }
    let shown: String = second.iter().filter(|it| it.1 == "o").map(|it| it.2.as_str()).collect();
    assert_eq!(shown, "shop=> caf\u{e9} \u{1b}[1m\u{fffd}\u{fffd}");
    assert_eq!(second[5], (2.0, "r".to_owned(), "100x50".to_owned()));
}

#[test]
fn a_character_that_never_ends_is_not_lost() {
    let mut text = Text::new();
    assert_eq!(text.take(b"\xf0\x9f"), "");
    assert_eq!(text.take(b"\x99"), "");
    assert_eq!(text.take(b"a"), "\u{fffd}a");
    assert_eq!(text.take(b"\xe2\x82"), "");
    assert_eq!(text.rest(), "\u{fffd}");
}
