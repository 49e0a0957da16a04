// SPDX-License-Identifier: GPL-2.0-only

//! Mutation: new inputs out of those that reached new code.

use fastrand::Rng;

/// The length of the longest input. Each is announced in the kernel's log, whose lines have up to
/// 1000 characters.
pub const MAX_LEN: usize = 512;

/// The length of the longest piece that a single change moves or makes.
const PIECE: usize = 24;

/// Creates a random input.
pub fn fresh(rng: &mut Rng) -> Vec<u8> {
    let len = rng.usize(1..=2 * PIECE);
    (0..len).map(|_| rng.u8(..)).collect()
}

/// Creates an input that differs from `parent` in a few places, and may have pieces of `other`.
pub fn mutate(rng: &mut Rng, parent: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = parent.to_vec();
    for _ in 0..1 << rng.u32(0..4) {
        change(rng, &mut input, other);
    }
    input.truncate(MAX_LEN);
    input
}

/// Chooses a short part of `input`.
fn piece(rng: &mut Rng, input: &[u8]) -> std::ops::Range<usize> {
    let start = rng.usize(0..=input.len());
    let end = rng.usize(start..=input.len().min(start + PIECE));
    start..end
}

fn change(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    let range = piece(rng, input);
    let place = range.start;
    match rng.u8(0..8) {
        0 => drop(input.drain(range)),
        1 => {
            let again = input[range].to_vec();
            let place = rng.usize(0..=input.len());
            input.splice(place..place, again);
        }
        2 => {
            let new: Vec<u8> = (0..rng.usize(1..=8)).map(|_| rng.u8(..)).collect();
            input.splice(place..place, new);
        }
        3 => {
            let taken = other[piece(rng, other)].to_vec();
            input.splice(place..place, taken);
        }
        // Small numbers choose, so their neighbours are the likely choices.
        kind => {
            if let Some(byte) = input.get_mut(place) {
                *byte = match kind {
                    4 => rng.u8(..),
                    5 => *byte ^ (1 << rng.u8(0..8)),
                    6 => byte.wrapping_add(1),
                    _ => byte.wrapping_sub(1),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let inputs = |seed| {
            let mut rng = Rng::with_seed(seed);
            let parent = fresh(&mut rng);
            let other = fresh(&mut rng);
            mutate(&mut rng, &parent, &other)
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }

    #[test]
    fn inputs_change_and_stay_short() {
        let mut rng = Rng::with_seed(3);
        let mut input = Vec::new();
        let mut lens = Vec::new();
        for _ in 0..10_000 {
            let next = mutate(&mut rng, &input, &[7; MAX_LEN]);
            assert!(next.len() <= MAX_LEN);
            lens.push(next.len());
            input = next;
        }
        lens.sort_unstable();
        lens.dedup();
        assert!(lens.len() > 100, "{} lengths", lens.len());
    }
}
