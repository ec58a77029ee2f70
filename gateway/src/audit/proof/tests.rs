#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn proof() -> Proof {
    let checkpoint = "example.com/log\n3\nAAAA\n\n\u{2014} example.com/log AAAAAAAA\n";
    Proof { index: 2, hashes: vec![[1; 32], [2; 32]], checkpoint: checkpoint.to_owned() }
}

#[test]
fn a_proof_is_written_as_c2sp_describes() {
    let text = proof().text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    assert_eq!(lines[1], "index 2");
    assert_eq!(lines[2], "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    assert_eq!((lines[4], lines[5]), ("", "example.com/log"));
    assert_eq!(Proof::read(&text), Some(proof()));
    let alone = Proof { hashes: Vec::new(), ..proof() };
    assert_eq!(Proof::read(&alone.text()), Some(alone));
}

#[test]
fn a_proof_in_any_other_form_is_refused() {
    let text = proof().text();
    for (from, to) in [
        ("@v1", "@v2"),
        ("index 2", "index 02"),
        ("index 2", "index -2"),
        ("index 2\n", ""),
        ("index 2", "extra AAAA\nindex 2"),
        ("AQEB", "AQE"),
        ("EBAQE=\n", "EBAQF=\n"),
        ("EBAQE=\n", "EBAQE= \n"),
        ("EBAQE=\n", "EBAQE=\r\n"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(Proof::read(&changed), None, "{from} -> {to}");
    }
}
