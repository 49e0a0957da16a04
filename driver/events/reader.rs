// SPDX-License-Identifier: GPL-2.0-only

//! Readers of events: open files, each with a place in the ring and a filter.

use kernel::{
    fs::file::flags,
    fs::File,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        CondVarTimeoutResult,
        Mutex, //
    },
    time::msecs_to_jiffies, //
};

use crate::{
    abstractions::{
        compat::zeroed_vec,
        task::{
            cond_resched,
            TaskExt, //
        },
        uaccess::{
            read_user_struct,
            write_user_slice,
            write_user_struct, //
        }, //
    },
    driver::events::{
        filter::Filter,
        request::{
            Request,
            Viewer, //
        },
        ring::{
            Cursor,
            Lost,
            Ring,
            MAX_RECORD,
            TYPES, //
        },
        Events, //
    },
    uapi::{
        self,
        procmon_event as Header,
        procmon_event_lost as LostEvent,
        procmon_events as Arguments, //
    }, //
};

/// The size of the arguments of the first version.
const MIN_ARGUMENTS: usize = size_of::<Arguments>();

/// The place and the filter of an open file.
struct State {
    filter: Filter,
    cursor: Cursor,
    /// The number of lost events of wanted classes.
    lost: u64,
    /// The memory for a batch of events, from the first call on. Nothing is kept there between
    /// calls: what a caller may see of an event need not be what the next one may.
    buffer: KVVec<u8>,
}

/// An open file that reads events.
#[pin_data]
pub(crate) struct Reader {
    #[pin]
    state: Mutex<State>,
    /// The place of the cursor in the ring, `u64::MAX` before the first call.
    position: Atomic<u64>,
}

impl Reader {
    /// Creates a reader that does not read yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_mutex!(
                State {
                    filter: Filter::new(),
                    cursor: Cursor::default(),
                    lost: 0,
                    buffer: KVVec::new(),
                },
                "Reader::state"
            ),
            position: Atomic::new(u64::MAX),
        })
    }

    /// Ends the reading.
    pub(crate) fn close(&self, events: &Events) {
        if self.position.load(Relaxed) == u64::MAX {
            return;
        }
        // TIME: The file is being released, so there is no call that has the lock.
        let classes = self.state.lock().filter.request.recorded();

        events.unsubscribe(classes);
    }

    /// Whether there are events after those that were read, which the filter may leave out. If not,
    /// pollers are notified of the next one.
    pub(crate) fn has_events(&self, events: &Events) -> bool {
        let position = self.position.load(Relaxed);

        if position == u64::MAX {
            return false;
        }

        // TIME: The lock is held for some loads and stores.
        let mut shared = events.recorder.shared.lock();
        let end = shared.ring.as_ref().map_or(0, Ring::end);

        if end > position {
            return true;
        }
        shared.wake_at = shared.wake_at.min(end.saturating_add(1));
        false
    }

    /// Handles `PROCMON_EVENTS`.
    ///
    /// # Errors
    ///
    /// - `E2BIG` if a field is set that this version does not know.
    /// - `EBUSY` if another thread reads events by the same open file.
    /// - `EFAULT` if the arguments cannot be read or written, or the first event cannot be written.
    /// - `EINTR` if a signal comes before the first event.
    /// - `EINVAL` if an argument is out of range or does not belong to the flags.
    /// - `ENOENT` if the kernel does not tell of a class.
    /// - `ENOMEM` if memory is short.
    /// - `ENOSPC` if not even the first event fits.
    /// - `EPERM` if the caller is outside of the initial namespaces, which events are about.
    /// - `ESRCH` if there is no process whose subtree is wanted.
    #[inline(never)]
    pub(crate) fn fetch(&self, events: &Events, file: &File, arg: UserPtr) -> Result {
        let mut arguments: Arguments = read_user_struct(arg, MIN_ARGUMENTS)?;
        let request = Request::new(&arguments)?;
        let viewer = Viewer::of_caller()?;
        let mut output = Output {
            to: UserPtr::from_addr(usize::try_from(arguments.buffer).map_err(|_| EFAULT)?),
            left: arguments.capacity as usize,
            count: 0,
        };
        let may_wait = file.flags() & flags::O_NONBLOCK == 0;
        let jiffies = match arguments.timeout_ms {
            // CAST: It is not negative.
            ms @ 0.. if may_wait => msecs_to_jiffies(ms as u32),
            _ if may_wait => c_ulong::MAX,
            _ => 0,
        };
        let mut state = self.state.try_lock().ok_or(EBUSY)?;

        if state.filter.request != request {
            state.change(request, events)?;
        }

        let before = (state.cursor, state.lost);

        state.filter.tidy(before.0.sequence());

        let min_bytes = arguments.min_bytes as usize;
        let result = state
            .collect(events, viewer, min_bytes, jiffies, &mut output)
            .and_then(|()| {
                // CAST: It is at most the capacity.
                arguments.bytes = arguments.capacity.wrapping_sub(output.left as u32);
                arguments.count = output.count;
                arguments.sequence = state.cursor.sequence();
                arguments.lost = state.lost;
                // TIME: The lock is held for some loads.
                if let Some(ring) = &events.recorder.shared.lock().ring {
                    arguments.oldest = ring.oldest();
                    arguments.newest = ring.newest();
                }
                write_user_struct(arg, arguments.size as usize, &arguments)
            });

        // Without their number, the caller cannot make use of the events.
        if result.is_err() {
            (state.cursor, state.lost) = before;
        }
        self.position.store(state.cursor.position(), Relaxed);
        result
    }
}

/// Waits until there is a number of bytes beyond a cursor, the time is up or a signal comes.
fn wait(
    events: &Events,
    cursor: &Cursor,
    min_bytes: usize,
    mut jiffies: c_ulong,
) -> CondVarTimeoutResult {
    let recorder = &events.recorder;
    let mut shared = recorder.shared.lock();

    // TIME: Until the time is up: each round takes from it. The lock is held for some loads.
    loop {
        let Some(ring) = &shared.ring else {
            return CondVarTimeoutResult::Timeout;
        };
        // No reader waits for more than a quarter of the ring.
        let wanted = min_bytes.min(ring.len() / 4).max(1);

        if ring.ahead(cursor) >= wanted {
            return CondVarTimeoutResult::Woken { jiffies };
        }

        let wake_at = cursor.position().saturating_add(wanted as u64);

        shared.wake_at = shared.wake_at.min(wake_at);
        match recorder
            .arrived
            .wait_interruptible_timeout(&mut shared, jiffies)
        {
            CondVarTimeoutResult::Woken { jiffies: left } => jiffies = left,
            other => return other,
        }
    }
}

/// The unwritten rest of the caller's buffer.
#[derive(Clone, Copy)]
struct Output {
    to: UserPtr,
    left: usize,
    /// The number of events that were written.
    count: u32,
}

impl Output {
    /// Writes events.
    ///
    /// # Errors
    ///
    /// `EFAULT` if they cannot be written, `ENOSPC` if they do not fit.
    fn write(&mut self, events: &[u8], count: u32) -> Result {
        let left = self.left.checked_sub(events.len()).ok_or(ENOSPC)?;

        if write_user_slice(self.to, events) < events.len() {
            return Err(EFAULT);
        }
        self.to = self.to.wrapping_byte_add(events.len());
        self.left = left;
        self.count = self.count.saturating_add(count);
        Ok(())
    }
}

impl State {
    /// Takes another request: what was asked for before does not count any more, but for the place.
    ///
    /// # Errors
    ///
    /// `EINTR`, `ENOENT`, `ENOMEM` and `ESRCH` as for [`Reader::fetch`]. The old request counts
    /// then.
    fn change(&mut self, request: Request, events: &Events) -> Result {
        let before = self.filter.request.recorded();

        if self.buffer.is_empty() {
            self.buffer = zeroed_vec(MAX_RECORD, GFP_KERNEL_ACCOUNT)?;
        }
        events.subscribe(request.recorded(), request.args_max)?;

        let cursor = if before != 0 {
            self.cursor
        } else if request.has(uapi::PROCMON_EVENTS_FROM_OLDEST) {
            events.recorder.cursor(Ring::at_oldest)
        } else {
            events.recorder.cursor(Ring::at_next)
        };

        // After that, so that no process is missed that is made in between.
        match Filter::of(request) {
            Ok(filter) => self.filter = filter,
            Err(error) => {
                events.unsubscribe(request.recorded());
                return Err(error);
            }
        }
        self.cursor = cursor;
        events.unsubscribe(before);
        Ok(())
    }

    /// Waits for events if there are none, and writes them to user space.
    ///
    /// # Errors
    ///
    /// As for [`deliver`](Self::deliver), but only if no event was written.
    fn collect(
        &mut self,
        events: &Events,
        viewer: Viewer,
        min_bytes: usize,
        mut jiffies: c_ulong,
        output: &mut Output,
    ) -> Result {
        // Only to have events recorded, or to be told of the place.
        if output.left == 0 {
            return Ok(());
        }

        // TIME: Each round waits, which takes from the time that is left, or is the last one.
        loop {
            let mut is_interrupted = false;

            if jiffies > 0 {
                match wait(events, &self.cursor, min_bytes, jiffies) {
                    CondVarTimeoutResult::Signal { .. } => is_interrupted = true,
                    CondVarTimeoutResult::Timeout => jiffies = 0,
                    CondVarTimeoutResult::Woken { jiffies: left } => jiffies = left,
                }
            }

            let result = self.deliver(events, viewer, output);

            if output.count > 0 {
                return Ok(());
            }
            result?;
            if is_interrupted {
                return Err(EINTR);
            }
            if jiffies == 0 {
                return Ok(());
            }
        }
    }

    /// Writes events to user space until there are no more of those that were there at first, or
    /// the next one does not fit.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `EINTR`, `ENOMEM` and `ENOSPC` as for [`Reader::fetch`]. The next call begins with
    /// the event that was not written.
    fn deliver(&mut self, events: &Events, viewer: Viewer, output: &mut Output) -> Result {
        let end = events.recorder.cursor(Ring::at_next).position();

        // TIME: Each round goes on in the ring, until those of the beginning are taken.
        while self.cursor.position() < end {
            let before = self.cursor.position();

            self.deliver_batch(events, viewer, output)?;
            if self.cursor.position() == before {
                break;
            }
            if kernel::current!().fatal_signal_pending() {
                return Err(EINTR);
            }
            cond_resched();
        }
        Ok(())
    }

    /// Writes a batch of events to user space, or what was lost before the next one.
    ///
    /// # Errors
    ///
    /// As for [`deliver`](Self::deliver).
    fn deliver_batch(&mut self, events: &Events, viewer: Viewer, output: &mut Output) -> Result {
        // This is the place as soon as the events are written.
        let mut cursor = self.cursor;
        let len = {
            // TIME: The lock is held for a copy of one batch.
            let shared = events.recorder.shared.lock();
            let Some(ring) = &shared.ring else {
                return Ok(());
            };

            if let Some(lost) = ring.catch_up(&mut cursor) {
                drop(shared);
                return self.tell(events, &lost, cursor, output);
            }

            let all = self.buffer.len();
            // As many as fit, though the first one may be for another reader, or be cut.
            let space = if output.left < all {
                output.left.max(ring.next_size(&cursor)).min(all)
            } else {
                all
            };
            let to = self.buffer.get_mut(..space).unwrap_or_default();

            ring.read(&cursor, to)
        };
        // The same goes for the output.
        let mut written = *output;

        self.write_batch(len, &mut cursor, viewer, &mut written)?;
        *output = written;
        self.cursor = cursor;
        Ok(())
    }

    /// Writes what is for the reader of the events that some bytes in the buffer begin with, and
    /// takes a cursor beyond these events.
    ///
    /// # Errors
    ///
    /// As for [`deliver`](Self::deliver).
    fn write_batch(
        &mut self,
        len: usize,
        cursor: &mut Cursor,
        viewer: Viewer,
        output: &mut Output,
    ) -> Result {
        let mut start = 0usize;
        // Those that are written in one piece.
        let mut first = 0usize;
        let mut count = 0u32;

        // TIME: Each round takes one event.
        while let Some(size) = cursor.pass(self.buffer.get(start..len).unwrap_or_default()) {
            let next = start.saturating_add(size);
            let event = self.buffer.get_mut(start..next).unwrap_or_default();
            let left = self.filter.apply(event, viewer)?;

            if left.is_some() {
                count = count.saturating_add(1);
            }
            if left != Some(size) {
                let end = start.saturating_add(left.unwrap_or(0));

                output.write(self.buffer.get(first..end).unwrap_or_default(), count)?;
                first = next;
                count = 0;
            }
            start = next;
        }
        output.write(self.buffer.get(first..start).unwrap_or_default(), count)
    }

    /// Writes an event that tells of lost ones, if any were of a wanted class, and goes on after
    /// them.
    ///
    /// # Errors
    ///
    /// As for [`deliver`](Self::deliver).
    fn tell(
        &mut self,
        events: &Events,
        lost: &Lost,
        cursor: Cursor,
        output: &mut Output,
    ) -> Result {
        const SIZE: u16 = size_of::<LostEvent>() as u16;

        let mut counts = [0; TYPES];
        let mut all = 0u64;

        // CAST: There are few types.
        for ((to, count), kind) in counts.iter_mut().zip(&lost.counts).zip(0..TYPES as u32) {
            if self.filter.wants(kind) {
                *to = *count;
                all = all.saturating_add(*count);
            }
        }

        let event = LostEvent {
            event: Header {
                size: SIZE,
                tail: SIZE,
                type_: uapi::PROCMON_EVENT_LOST as u8,
                sequence: lost.first,
                ..Zeroable::zeroed()
            },
            last: lost.last,
            counts,
        };
        let newest = events.recorder.cursor(Ring::at_next).sequence();

        self.filter.renew(newest)?;
        if all > 0 {
            output.write(event.as_bytes(), 1)?;
        }
        self.lost = self.lost.saturating_add(all);
        self.cursor = cursor;
        Ok(())
    }
}
