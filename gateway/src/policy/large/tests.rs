#![allow(clippy::unwrap_used)]

use super::super::host::wit::Mask;
use super::*;

fn row(cells: &[Option<&[u8]>]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u16(u16::try_from(cells.len()).unwrap());
    for cell in cells {
        match cell {
            None => body.put_i32(-1),
            Some(bytes) => {
                body.put_i32(i32::try_from(bytes.len()).unwrap());
                body.put_slice(bytes);
            }
        }
    }
    let mut frame = BytesMut::new();
    frame.put_u8(TAG);
    frame.put_i32(i32::try_from(body.len() + LENGTH_BYTES).unwrap());
    frame.extend_from_slice(&body);
    frame
}

/// Feeds the message in parts of `step` bytes; gives what came out, and the last piece's counts.
fn stream(
    plan: &mut ResultPlan,
    frame: &[u8],
    step: usize,
) -> Result<(Vec<u8>, u64, u64, usize), Fault> {
    let mut large = LargeRow::new(plan, frame.len() - HEADER_BYTES).unwrap();
    let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
    let (mut rows, mut cells, mut most) = (0, 0, 0);
    let mut parts = frame.chunks(step);
    while !large.is_done() {
        if let Some(piece) = large.take(plan, &mut buffer)? {
            assert_eq!(piece.offset, out.len() as u64);
            out.extend_from_slice(piece.masked.frames());
            rows += piece.masked.rows();
            cells += piece.masked.masked_cells();
            most = most.max(piece.masked.frames().len());
            if large.is_done() {
                assert_eq!(piece.message_bytes, out.len() as u64);
            }
        } else {
            buffer.extend_from_slice(parts.next().unwrap());
        }
    }
    assert!(buffer.is_empty() && parts.next().is_none());
    Ok((out, rows, cells, most))
}

#[test]
fn a_row_with_nothing_hidden_passes_in_pieces() {
    let big = vec![b'b'; 3 * LARGE_PIECE_BYTES_MAX + 5];
    let frame = row(&[Some(b"1"), Some(&big), None]);
    let mut plan = ResultPlan::of_masks(vec![None, None, None]);
    for step in [9_999, 70_000, frame.len()] {
        let (out, rows, cells, most) = stream(&mut plan, &frame, step).unwrap();
        assert_eq!((rows, cells), (1, 0));
        assert!(most <= LARGE_PIECE_BYTES_MAX);
        assert!(out == frame, "another message came out");
    }
}

/// The same bytes as when the row is masked whole, wherever the large cells stand.
#[test]
fn a_masked_row_is_the_one_that_masking_it_whole_gives() {
    let big = vec![b'b'; LARGE_CELL_BYTES_MIN * 2 + 7];
    let secret = vec![b's'; LARGE_CELL_BYTES_MIN + 1];
    let masks = vec![
        Some(Mask::Fixed("MASKED".to_owned())),
        None,
        Some(Mask::KeepLast(2)),
        Some(Mask::NullOut),
        None,
        Some(Mask::Fixed("gone".to_owned())),
    ];
    let frame = row(&[
        Some(&secret),
        Some(&big),
        Some(b"123-45-6789"),
        Some(b"x"),
        Some(&big),
        Some(&secret),
    ]);
    let mut plan = ResultPlan::of_masks(masks);
    let whole = plan.mask(&Rows::new(frame.clone().freeze(), 1)).unwrap();
    for step in [10_007, frame.len()] {
        let (out, rows, cells, most) = stream(&mut plan, &frame, step).unwrap();
        assert!(out == whole.frames()[..], "another row came out");
        assert_eq!((rows, cells), (1, whole.masked_cells()));
        assert!(most <= LARGE_PIECE_BYTES_MAX);
    }
}

#[test]
fn a_large_value_whose_mask_depends_on_it_becomes_null() {
    let secret = vec![b's'; LARGE_CELL_BYTES_MIN];
    let frame = row(&[Some(&secret), Some(&secret), Some(b"a")]);
    let mut plan = ResultPlan::of_masks(vec![Some(Mask::Hash), Some(Mask::KeepLast(9)), None]);
    let (out, _, cells, _) = stream(&mut plan, &frame, 65_536).unwrap();
    assert_eq!(out, row(&[None, None, Some(b"a")]));
    assert_eq!(cells, 2);
}

#[test]
fn many_small_cells_are_not_all_held() {
    let cell = vec![b'c'; LARGE_CELL_BYTES_MIN - 1];
    let cells = vec![Some(&cell[..]); 40];
    let mut masks = vec![None; 40];
    masks[39] = Some(Mask::Fixed("M".to_owned()));
    let mut plan = ResultPlan::of_masks(masks);
    let frame = row(&cells);
    let mut large = LargeRow::new(&plan, frame.len() - HEADER_BYTES).unwrap();
    let mut buffer = frame.clone();
    buffer.truncate(frame.len() - 1);
    assert!(large.take(&mut plan, &mut buffer).unwrap().is_none());
    let Way::Reading(reading) = &large.way else { unreachable!() };
    assert!(reading.held.len() <= LARGE_ROW_HELD_BYTES_MAX);
    let mut expected = cells;
    expected[39] = Some(b"M");
    assert!(stream(&mut plan, &frame, 1_000_000).unwrap().0 == row(&expected)[..]);
}

#[test]
fn lengths_that_do_not_fit_are_refused_before_anything_leaves() {
    let big = vec![b'b'; LARGE_CELL_BYTES_MIN];
    let good = row(&[Some(&big), Some(b"ab")]);
    let last = good.len() - 6;
    let lie = |place: usize, value: i32| {
        let mut frame = good.clone();
        frame[place..place + 4].copy_from_slice(&value.to_be_bytes());
        frame
    };
    for frame in [lie(last, 3), lie(last, 1), lie(last, -2), lie(7, i32::MAX), lie(7, 5)] {
        let mut plan = ResultPlan::of_masks(vec![None, Some(Mask::Hash)]);
        assert_eq!(stream(&mut plan, &frame, 4_096).unwrap_err().code, "reply_malformed");
    }
    let mut more = good.clone();
    more[5..7].copy_from_slice(&3_u16.to_be_bytes());
    let mut plan = ResultPlan::of_masks(vec![None, Some(Mask::Hash), None]);
    assert_eq!(stream(&mut plan, &more, 4_096).unwrap_err().code, "reply_malformed");
}
