use super::{parse, unchunk};

#[test]
fn a_body_of_known_length_is_read_whole() {
    let answer = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokjunk").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
}

#[test]
fn a_body_cut_short_is_an_error() {
    assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok").is_err());
}

#[test]
fn chunks_are_joined() {
    assert_eq!(unchunk("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").as_deref(), Some("abcde"));
    assert_eq!(unchunk("3\r\nab"), None);
}
