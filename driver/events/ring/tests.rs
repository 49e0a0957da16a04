// SPDX-License-Identifier: GPL-2.0-only

//! KUnit tests of the ring of events.

use kernel::prelude::*;

#[kunit_tests(procmon_ring)]
mod tests {
    use crate::driver::events::ring::*;
    use kernel::sizes::SZ_64K;

    /// A record as a test has written it.
    struct Written {
        sequence: u64,
        kind: u8,
        size: usize,
    }

    /// Returns numbers that look like random ones.
    fn numbers(mut state: u32) -> impl FnMut(u32) -> u32 {
        move |limit| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % limit
        }
    }

    fn push(ring: &mut Ring, kind: u8, tail: &[u8]) {
        ring.push(
            kind,
            7,
            &mut Header::zeroed(),
            MAX_RECORD,
            |_, place| match place.get_mut(..tail.len()) {
                Some(place) => {
                    place.copy_from_slice(tail);
                    tail.len()
                }
                None => 0,
            },
        );
    }

    /// Takes a cursor beyond the records that bytes begin with, and returns these.
    fn take<'a>(
        cursor: &'a mut Cursor,
        mut bytes: &'a [u8],
    ) -> impl Iterator<Item = (Header, &'a [u8])> {
        core::iter::from_fn(move || {
            let (record, rest) = bytes.split_at_checked(cursor.pass(bytes)?)?;
            let (header, _) = Header::read_from_prefix(record).ok()?;

            bytes = rest;
            Some((header, record))
        })
    }

    #[test]
    fn records_come_back() -> Result {
        let mut ring = Ring::new(SZ_64K)?;
        let mut cursor = ring.at_oldest();
        let mut buffer = KVVec::<u8>::zeroed(MAX_RECORD, GFP_KERNEL)?;

        assert_eq!((ring.oldest(), ring.newest()), (1, 0));
        assert_eq!(ring.next_size(&cursor), 0);
        push(&mut ring, 1, b"a longer tail");
        push(&mut ring, 2, b"");
        push(&mut ring, 3, b"short");
        assert_eq!((ring.oldest(), ring.newest()), (1, 3));
        assert_eq!(ring.next_size(&cursor), size_of::<Header>() + 16);
        assert!(ring.catch_up(&mut cursor).is_none());

        let len = ring.read(&cursor, &mut buffer);
        let mut all = take(&mut cursor, &buffer[..len]);
        let mut next = || all.next().ok_or(EINVAL);
        let (header, record) = next()?;

        assert_eq!((header.sequence, header.type_, header.time), (1, 1, 7));
        assert_eq!(&record[header.tail.into()..], b"a longer tail\0\0\0");

        let (header, record) = next()?;

        assert_eq!((header.sequence, header.type_), (2, 2));
        assert_eq!(record.len(), size_of::<Header>());

        let (header, record) = next()?;

        // Of the bytes behind the tail none are those of older records.
        assert_eq!((header.sequence, header.type_), (3, 3));
        assert_eq!(&record[header.tail.into()..], b"short\0\0\0");
        assert!(next().is_err());
        drop(all);
        assert_eq!(ring.read(&cursor, &mut buffer), 0);
        assert_eq!(cursor.sequence(), 4);
        Ok(())
    }

    #[test]
    fn what_is_not_read_is_lost_and_counted() -> Result {
        const ROUNDS: usize = 3_000;

        let mut ring = Ring::new(SZ_64K)?;
        let mut number = numbers(1);
        let mut written = KVVec::<Written>::new();
        let mut cursor = ring.at_oldest();
        let mut buffer = KVVec::<u8>::zeroed(MAX_RECORD, GFP_KERNEL)?;
        let tail = KVVec::<u8>::zeroed(MAX_RECORD, GFP_KERNEL)?;
        let mut losses = 0;

        for round in 0..ROUNDS {
            let kind = number(TYPES as u32) as u8;
            // Few are long, as it is with programs.
            let longest = if number(8) == 0 { 8_000 } else { 300 };
            let len = number(longest) as usize;

            push(&mut ring, kind, &tail[..len]);
            written.push(
                Written {
                    sequence: round as u64 + 1,
                    kind,
                    size: (size_of::<Header>() + len).next_multiple_of(ALIGN),
                },
                GFP_KERNEL,
            )?;
            // At times nothing is read for long.
            if number(if round % 1_000 < 500 { 4 } else { 200 }) != 0 {
                continue;
            }

            let before = cursor.sequence();

            if let Some(lost) = ring.catch_up(&mut cursor) {
                let mut counts = [0; TYPES];

                losses += 1;
                assert_eq!((lost.first, lost.last), (before, cursor.sequence() - 1));
                for record in &written[lost.first as usize - 1..lost.last as usize] {
                    counts[usize::from(record.kind)] += 1;
                }
                assert_eq!(lost.counts, counts);
            }
            assert_eq!(cursor.sequence().max(ring.oldest()), cursor.sequence());

            let mut expected = cursor.sequence();
            let len = ring.read(&cursor, &mut buffer);

            for (header, record) in take(&mut cursor, &buffer[..len]) {
                let Written {
                    sequence,
                    kind,
                    size,
                } = written[expected as usize - 1];

                assert_eq!(header.sequence, sequence);
                assert_eq!((header.type_, record.len()), (kind, size));
                expected += 1;
            }
            assert_eq!(cursor.sequence(), expected);
        }
        assert!(losses > 3);
        assert_eq!(ring.newest(), ROUNDS as u64);
        Ok(())
    }

    #[test]
    fn a_record_may_end_with_the_ring() -> Result {
        const RECORDS: usize = SZ_64K / size_of::<Header>();
        // Before the end and after it.
        const SIDE: usize = 100;

        let mut ring = Ring::new(SZ_64K)?;
        let mut buffer = KVVec::<u8>::zeroed(MAX_RECORD, GFP_KERNEL)?;
        let push = |ring: &mut Ring| ring.push(1, 7, &mut Header::zeroed(), 0, |_, _| 0);

        for _ in SIDE..RECORDS {
            push(&mut ring);
        }

        let mut cursor = ring.at_next();

        for _ in 0..2 * SIDE {
            push(&mut ring);
        }
        // Nothing is between them, but they are two pieces.
        for expected in [SIDE, SIDE, 0] {
            let len = ring.read(&cursor, &mut buffer);

            assert_eq!(take(&mut cursor, &buffer[..len]).count(), expected);
        }
        assert_eq!(cursor.sequence(), ring.newest() + 1);
        Ok(())
    }

    #[test]
    fn a_record_that_is_cut_off_is_not_taken() -> Result {
        let mut ring = Ring::new(SZ_64K)?;
        let mut cursor = ring.at_oldest();
        let mut buffer = [0; 200];

        push(&mut ring, 0, b"");
        push(&mut ring, 0, b"");
        push(&mut ring, 0, &[1; 300]);
        for records in [2, 0] {
            let len = ring.read(&cursor, &mut buffer);

            assert_eq!(len, buffer.len());
            assert_eq!(take(&mut cursor, &buffer).count(), records);
            assert_eq!(cursor.sequence(), 3);
        }
        assert!(ring.next_size(&cursor) > buffer.len());
        Ok(())
    }
}
