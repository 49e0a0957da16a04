// SPDX-License-Identifier: GPL-2.0-only

//! Packing of nested intervals into rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// An interval with those nested in it below.
#[derive(Clone, Copy)]
pub struct Interval {
    /// The interval that it is below of, which stands before it.
    pub parent: Option<usize>,
    /// The beginning.
    pub begin: u64,
    /// The end. Another interval in the same row begins no earlier.
    pub end: u64,
}

/// Returns the row of each interval, and the number of rows.
///
/// An interval and all below it are a block: a rectangle as high as it has rows, from the first
/// beginning to the last end. Blocks below the same parent lie on shelves. A block goes to a shelf
/// that is high enough and free, or to a new one of its height. That takes O(n log n) time, and few
/// more rows than necessary where siblings are alike, as those of a build are.
pub fn pack(intervals: &[Interval]) -> (Vec<usize>, usize) {
    let mut blocks: Vec<_> = intervals.iter().map(|one| (one.begin, one.end)).collect();
    let mut children = vec![Vec::new(); intervals.len()];
    let mut roots = Vec::new();
    for (place, interval) in intervals.iter().enumerate().rev() {
        match interval.parent {
            Some(parent) => {
                let (begin, end) = blocks[place];
                let block = &mut blocks[parent];
                *block = (block.0.min(begin), block.1.max(end));
                children[parent].push(place);
            }
            None => roots.push(place),
        }
    }
    let mut heights = vec![1; intervals.len()];
    // At first, a row is relative to that of the parent.
    let mut rows = vec![0; intervals.len()];
    for place in (0..intervals.len()).rev() {
        heights[place] += put(&mut children[place], &blocks, &heights, &mut rows);
    }
    let height = put(&mut roots, &blocks, &heights, &mut rows);
    for place in 0..intervals.len() {
        if let Some(parent) = intervals[place].parent {
            rows[place] += rows[parent] + 1;
        }
    }
    (rows, height)
}

/// The shelves of a height.
#[derive(Default)]
struct Shelves {
    /// Those with a block, by its end.
    busy: BinaryHeap<Reverse<(u64, usize)>>,
    free: BinaryHeap<Reverse<usize>>,
}

impl Shelves {
    /// Takes the topmost shelf that is free at this time.
    fn take(&mut self, time: u64) -> Option<usize> {
        while let Some(&Reverse((end, shelf))) = self.busy.peek()
            && end <= time
        {
            self.busy.pop();
            self.free.push(Reverse(shelf));
        }
        self.free.pop().map(|Reverse(shelf)| shelf)
    }
}

/// Puts blocks on shelves, fills in their rows, and returns the height of all.
fn put(
    siblings: &mut [usize],
    blocks: &[(u64, u64)],
    heights: &[usize],
    rows: &mut [usize],
) -> usize {
    siblings.sort_unstable_by_key(|&place| (blocks[place].0, place));
    let mut by_height: BTreeMap<usize, Shelves> = BTreeMap::new();
    // The row of each shelf.
    let mut shelves = Vec::new();
    let mut height = 0;
    for &place in &*siblings {
        let (begin, end) = blocks[place];
        let mut high_enough = by_height.range_mut(heights[place]..);
        let taken = high_enough.find_map(|(&high, shelves)| Some((high, shelves.take(begin)?)));
        let (high, shelf) = taken.unwrap_or_else(|| {
            shelves.push(height);
            height += heights[place];
            (heights[place], shelves.len() - 1)
        });
        let busy = &mut by_height.entry(high).or_default().busy;
        busy.push(Reverse((end, shelf)));
        rows[place] = shelves[shelf];
    }
    height
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(parent: Option<usize>, begin: u64, end: u64) -> Interval {
        Interval { parent, begin, end }
    }

    #[test]
    fn siblings_share_rows_unless_they_overlap() {
        let (rows, height) = pack(&[
            interval(None, 0, 100),
            interval(Some(0), 0, 10),
            interval(Some(0), 5, 20),
            interval(Some(0), 10, 30),
            interval(Some(0), 20, 30),
            interval(Some(2), 6, 9),
            interval(Some(2), 9, 12),
        ]);
        assert_eq!(rows, [0, 1, 2, 1, 2, 3, 3]);
        assert_eq!(height, 4);
    }

    #[test]
    fn a_child_that_outlives_its_parent_keeps_its_row() {
        let (rows, _) = pack(&[
            interval(None, 0, 10),
            interval(Some(0), 5, 50),
            interval(None, 20, 30),
        ]);
        assert_eq!(rows, [0, 1, 2]);
    }

    #[test]
    fn no_two_intervals_of_a_row_overlap() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) % below
        };
        let mut intervals: Vec<Interval> = Vec::new();
        for place in 0..3000 {
            let parent = (random(10) > 0 && place > 0).then(|| random(place) as usize);
            let begin = random(1000);
            intervals.push(interval(parent, begin, begin + 1 + random(50)));
        }
        let (rows, height) = pack(&intervals);
        let mut ends = vec![0; height];
        let mut order: Vec<_> = (0..intervals.len()).collect();
        order.sort_by_key(|&place| intervals[place].begin);
        for place in order {
            let interval = intervals[place];
            assert!(ends[rows[place]] <= interval.begin, "{place}");
            ends[rows[place]] = interval.end;
            assert!(
                interval
                    .parent
                    .is_none_or(|parent| rows[parent] < rows[place])
            );
        }
    }
}
