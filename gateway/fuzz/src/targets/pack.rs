//! Values of the log's store that hold many things: whoever edits the file writes them. Nothing
//! of a value is dropped, whatever lengths it claims, and what is whole packs to the same bytes.

use portcullis::audit::pack::{Packer, Things, numbers};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "pack",
    seeds: &[
        b"\0\0\0\x01a\0\0\0\0\0\0\0\x03bcd",
        b"\0\0\0\x01a\0\0\0\x09b",
        b"\0\0\0\0\0\0\0\x07\0\0\0\x03\0\0\0\x02ab\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0",
        b"\0\0\0\0\0\0\0\x05\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"",
    ],
    words: &[b"\0\0\0\0", b"\0\0\0\x01", b"\xff\xff\xff\xff", b"\0\0\0\x0c"],
    run,
};

fn run(data: &[u8]) {
    all_comes_out::<0>(data);
    all_comes_out::<12>(data);
    let read: Vec<Option<u64>> = numbers(data).collect();
    let whole = read.iter().flatten().count();
    assert_eq!(whole, data.len() / 8);
    assert_eq!(
        read.len() - whole,
        usize::from(!data.len().is_multiple_of(8)),
        "bytes are left over unsaid"
    );
}

fn all_comes_out<const N: usize>(data: &[u8]) {
    let mut packer = Packer::<usize, N>::new();
    let mut at = 0;
    let mut things = Things::<N>::of(data);
    for (head, thing) in things.by_ref() {
        let Some(head) = head else {
            assert_eq!(thing, &data[at..], "the rest comes out whole");
            at = data.len();
            break;
        };
        assert_eq!(head, data[at..at + N]);
        packer.add(at, head, thing);
        at += N + 4 + thing.len();
    }
    assert_eq!(at, data.len(), "bytes are left out");
    assert!(things.next().is_none(), "something follows the rest");
    let mut again = Vec::new();
    for value in packer.values() {
        assert_eq!(value.key, again.len(), "a value is named by its first thing");
        let mut bytes = vec![0; value.bytes];
        value.write(&mut bytes);
        again.extend(bytes);
    }
    assert_eq!(again, data[..again.len()], "what was read packs to other bytes");
}
