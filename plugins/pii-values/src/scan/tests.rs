use super::{Scanner, Scratch};
use crate::kind::{GROUPS_DEFAULT, Kind, Kinds};

fn scanner() -> Scanner {
    let mut wanted = Kinds::default();
    GROUPS_DEFAULT.iter().for_each(|group| wanted.join(Kind::named(group)));
    Scanner::new(wanted)
}

/// Everything found, as `kind:value`.
fn found(scanner: &Scanner, text: &str) -> Vec<String> {
    let mut scratch = Scratch::default();
    scanner.find(text.as_bytes(), &mut scratch);
    let value = |from: usize, to: usize| text.get(from..to).unwrap_or("?").to_owned();
    let say = |it: &super::Found| format!("{}:{}", it.kind.name(), value(it.from, it.to));
    scratch.found.iter().map(say).collect()
}

/// Each text holds the find between the angle brackets, and nothing else.
fn check(cases: &[(&str, &str)]) {
    let scanner = scanner();
    for (kind, marked) in cases {
        let text = marked.replace(['\u{ab}', '\u{bb}'], "");
        let value = marked.split(['\u{ab}', '\u{bb}']).nth(1);
        let expected: Vec<String> =
            value.map(|value| format!("{kind}:{value}")).into_iter().collect();
        assert_eq!(found(&scanner, &text), expected, "{text}");
    }
}

#[test]
fn cards_are_known_by_check_digit_and_issuer() {
    check(&[
        ("card", "\u{ab}4111111111111111\u{bb}"),
        ("card", "pay \u{ab}4111 1111 1111 1111\u{bb} now"),
        ("card", "\u{ab}4111-1111-1111-1111\u{bb}"),
        ("card", "\u{ab}4111\u{a0}1111\u{a0}1111\u{a0}1111\u{bb}"),
        ("card", "\u{ab}4111\u{2011}1111\u{2011}1111\u{2011}1111\u{bb}"),
        ("card", "\u{ab}3782 822463 10005\u{bb}"),
        ("card", "{\"card\":\u{ab}5555555555554444\u{bb},\"x\":1}"),
        ("card", "in 2025 \u{ab}4111 1111 1111 1111\u{bb}"),
        ("card", "030 \u{ab}4111 1111 1111 1111\u{bb}"),
        ("card", "\u{ab}4111 1111 1111 1111\u{bb} 12/28 123"),
        ("card", "\u{ab}6304000000000000\u{bb}"),
        ("card", "card no \u{ab}630416225195\u{bb}"),
        ("", "batch 630416225195"),
        ("card", "{\"x\":\"paid\\n\u{ab}4111111111111111\u{bb}\"}"),
        ("", "4111111111111112"),
        ("", "1111111111111117"),
        ("", "0000000000000000"),
        ("", "a4111111111111111"),
        ("", "0.4111111111111111"),
    ]);
}

#[test]
fn ibans_are_known_by_country_length_and_check_digits() {
    check(&[
        ("iban", "to \u{ab}DE89370400440532013000\u{bb}."),
        ("iban", "\u{ab}DE89 3704 0044 0532 0130 00\u{bb}"),
        ("iban", "\u{ab}gb29nwbk60161331926819\u{bb}"),
        ("iban", "\u{ab}FR14 2004 1010 0505 0001 3M02 606\u{bb} please"),
        ("iban", "\u{ab}NO93-8601-1117-947\u{bb}"),
        ("", "DE89370400440532013001"),
        ("", "ZZ89370400440532013000"),
        ("", "xDE89370400440532013000"),
    ]);
}

#[test]
fn addresses_of_people_are_found() {
    check(&[
        ("email", "write \u{ab}ann.lee+x@mail.shop.example\u{bb}, please"),
        ("email", "<\u{ab}ann@shop.example\u{bb}>"),
        ("email", "mail='\u{ab}ann@shop.example\u{bb}'"),
        ("email", "\u{ab}j\u{f6}rg@m\u{fc}ller.example\u{bb}."),
        ("", "a@b"),
        ("", "@name said hi"),
        ("", "user@localhost"),
        ("phone", "call \u{ab}+49 30 1234567\u{bb}."),
        ("phone", "\u{ab}+1 (415) 555-2671\u{bb}"),
        ("phone", "\u{ab}(415) 555-2671\u{bb}"),
        ("phone", "\u{ab}415-555-2671 x123\u{bb}"),
        ("phone", "\u{ab}415.555.2671\u{bb}"),
        ("phone", "\u{ab}020 7946 0958\u{bb}"),
        ("phone", "my phone is \u{ab}5552671234\u{bb}"),
        ("phone", "\u{ab}70 12 34 56\u{bb} mobile"),
        ("phone", "\u{ab}780-775-0277\u{bb}-Office"),
        ("phone", "\u{ab}+44(0)3069990341\u{bb}"),
        ("", "timestamp 0024471467864"),
        ("", "07779-2532 zip"),
        ("phone", "\u{ab}001-415-555-2671\u{bb}"),
        ("", "order 5552671234"),
        ("", "on 2024-01-15 10:30:00"),
        ("", "version 1.2.3.4567890"),
        ("", "550e8400-e29b-41d4-a716-446655440000"),
        ("", "115-055-2671"),
    ]);
}

#[test]
fn national_ids_are_known_by_check_digit_or_form() {
    check(&[
        ("us_ssn", "SSN \u{ab}536-22-1234\u{bb}"),
        ("us_ssn", "ssn: \u{ab}536221234\u{bb}"),
        ("", "666-22-1234"),
        ("", "536-00-1234"),
        ("", "1-536-22-1234"),
        ("", "536221234"),
        ("uk_nino", "\u{ab}AB 12 34 56 C\u{bb}"),
        ("uk_nino", "\u{ab}AB123456C\u{bb}"),
        ("", "BG123456C"),
        ("de_steuer_id", "\u{ab}86095742719\u{bb}"),
        ("de_steuer_id", "\u{ab}86 095 742 719\u{bb}"),
        ("", "86095742718"),
        ("fr_nir", "\u{ab}2 55 08 14 168 025 38\u{bb}"),
        ("fr_nir", "\u{ab}255081416802538\u{bb}"),
        ("", "255081416802539"),
        ("es_dni", "\u{ab}12345678Z\u{bb}"),
        ("es_dni", "\u{ab}12345678-Z\u{bb}"),
        ("es_dni", "\u{ab}X1234567L\u{bb}"),
        ("", "12345678A"),
        ("it_codice_fiscale", "\u{ab}RSSMRA85T10A562S\u{bb}"),
        ("", "RSSMRA85T10A562T"),
        ("in_aadhaar", "\u{ab}2341 2341 2346\u{bb}"),
        ("in_aadhaar", "aadhaar no. \u{ab}234123412346\u{bb}"),
        ("", "2341 2341 2347"),
        ("in_pan", "\u{ab}ABCPE1234F\u{bb}"),
        ("", "ABCDE1234F"),
        ("br_cpf", "\u{ab}529.982.247-25\u{bb}"),
        ("br_cpf", "\u{ab}52998224725\u{bb}"),
        ("", "111.111.111-11"),
        ("pl_pesel", "PESEL \u{ab}44051401359\u{bb}"),
        ("", "44051401359"),
        ("ca_sin", "SIN \u{ab}130 692 544\u{bb}"),
        ("ca_sin", "\u{ab}130-692-544\u{bb}"),
        ("nl_bsn", "BSN \u{ab}111222333\u{bb}"),
        ("uk_nhs", "NHS number \u{ab}943 476 5919\u{bb}"),
        ("se_personnummer", "\u{ab}811218-9876\u{bb}"),
        ("be_national", "\u{ab}85.07.30-033.28\u{bb}"),
        ("kr_rrn", "\u{ab}900101-1234568\u{bb}"),
        ("cn_resident_id", "\u{ab}11010519491231002X\u{bb}"),
        ("sg_nric", "\u{ab}S1234567D\u{bb}"),
    ]);
}

/// Put together here, so that no scanner of repositories takes them for real ones.
#[test]
fn keys_are_known_by_beginning_shape_or_name() {
    let word = "aZ3kP9xQ7mN2vB5cL8dF1gH4jR6tY0wE";
    let case =
        |kind: &'static str, text: &str, value: &str| (kind, text.to_owned(), value.to_owned());
    let key = |head: &str, length: usize| {
        let tail: String = word.chars().cycle().take(length).collect();
        format!("{head}{tail}")
    };
    let aws = format!("AKIA{}", "IOSFODNN7EXAMPLE");
    let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{word}");
    let pem = |end: &str| format!("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n{end}");
    let closed = pem("-----END RSA PRIVATE KEY-----");
    let mut cases = vec![
        case("aws_key", &format!("id {aws} ok"), &aws),
        case("jwt", &format!("Bearer {jwt}"), &jwt),
        case("private_key", &format!("a {closed} b"), &closed),
        case("private_key", &pem(""), &pem("")),
        case("url_password", "postgres://app:hunter2x@db:5432/x", "hunter2x"),
        case("secret", "password=hunter2x&x=1", "hunter2x"),
        case("secret", "{\"api_key\": \"aZ3kP9xQ7mN2vB5c\"}", "aZ3kP9xQ7mN2vB5c"),
        case("secret", &format!("Authorization: Bearer {word}"), word),
        case("", "password: ********", ""),
        case("", "token = none", ""),
        case("", "secret: see the manual", ""),
        case("", &format!("the word {word}"), ""),
    ];
    for (kind, head, length) in [
        ("github_token", "ghp_", 36),
        ("github_token", "github_pat_", 82),
        ("stripe_key", "sk_live_", 24),
        ("slack_token", "xoxb-", 40),
        ("google_api_key", "AIza", 35),
        ("vendor_key", "glpat-", 20),
        ("vendor_key", "npm_", 36),
    ] {
        let value = key(head, length);
        cases.push(case(kind, &format!("use {value} here"), &value));
        cases.push(case("", &key(head, 8), ""));
    }
    let scanner = scanner();
    for (kind, text, value) in cases {
        let expected = if kind.is_empty() { vec![] } else { vec![format!("{kind}:{value}")] };
        assert_eq!(found(&scanner, &text), expected, "{text}");
    }
}

#[test]
fn only_what_is_wanted_is_found() {
    let text = "4111111111111111 ann@shop.example 192.0.2.1";
    for (word, expected) in [
        ("card", "card:4111111111111111"),
        ("email", "email:ann@shop.example"),
        ("ip", "ip:192.0.2.1"),
    ] {
        assert_eq!(found(&Scanner::new(Kind::named(word)), text), [expected]);
    }
    let ip = Scanner::new(Kind::named("ip"));
    for text in ["1.2.3", "256.1.1.1", "1.2.3.4.5", "v1.2.3.4a"] {
        assert_eq!(found(&ip, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn long_runs_of_numbers_hide_nothing() {
    let scanner = scanner();
    let numbers = "17 22 304 5123 ".repeat(200);
    let text = format!("{numbers}4111 1111 1111 1111 {numbers}");
    assert_eq!(
        found(&scanner, &text).iter().filter(|it| it.starts_with("card:4111 1111")).count(),
        1
    );
}

/// Any bytes: places stay inside the text, in order, and the scan ends.
#[test]
fn any_bytes_can_be_looked_at() {
    let scanner = scanner();
    let mut scratch = Scratch::default();
    let letters =
        b"0123456789 -./()+@:=_\"{}DE89eyJAKIAghp_xox-----BEGIN PRIVATE KEY\xc2\xa0\xe2\x80\x91pwd";
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..state % 200 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let letter = letters.get((state >> 33) as usize % letters.len());
            text.extend(letter.copied().filter(|_| state >> 60 != 0).or(Some((state >> 40) as u8)));
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
        scanner.find(&text, &mut scratch);
        let mut end = 0;
        for found in &scratch.found {
            assert!(found.from >= end && found.to > found.from && found.to <= text.len());
            end = found.to;
        }
    }
}
