// SPDX-License-Identifier: GPL-2.0-only

//! KUnit tests of misc devices.

use kernel::prelude::*;

#[kunit_tests(procmon_miscdevice)]
mod tests {
    use crate::abstractions::miscdevice::*;
    use crate::abstractions::sysfs::Attribute;
    use kernel::{
        fmt::{
            self,
            Write, //
        },
        str::Formatter,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        }, //
    };

    /// A device that says how many files are open, how many of them have state, and whether it is
    /// still there.
    struct Probe {
        open: Atomic<i32>,
        states: Arc<Atomic<i32>>,
        dropped: Arc<Atomic<i32>>,
    }

    impl Drop for Probe {
        fn drop(&mut self) {
            self.dropped.store(1, Relaxed);
        }
    }

    struct State {
        states: Arc<Atomic<i32>>,
    }

    impl Drop for State {
        fn drop(&mut self) {
            self.states.add(-1, Relaxed);
        }
    }

    impl MiscDevice for Probe {
        type State = State;

        fn opened(&self) {
            self.open.add(1, Relaxed);
        }

        fn init_state(&self) -> impl PinInit<State, Error> {
            self.states.add(1, Relaxed);
            try_init!(State {
                states: self.states.clone(),
            }? Error)
        }

        fn released(&self, state: &State) {
            // That of this device, and not dropped yet.
            assert!(core::ptr::eq(&*self.states, &*state.states));
            assert!(self.states.load(Relaxed) > 0);
        }

        fn read(&self, _: &State, _: &mut file::Offset, _: &mut IovIterDest<'_>) -> Result<usize> {
            Ok(0)
        }

        fn write(&self, _: &mut IovIterSource<'_>) -> Result<usize> {
            Ok(0)
        }

        fn ioctl(&self, _: &OpenFile<Self>, _: u32, _: UserPtr) -> Result {
            Err(ENOTTY)
        }

        #[cfg(CONFIG_COMPAT)]
        fn compat_ioctl(&self, _: &OpenFile<Self>, _: u32, _: UserPtr) -> Result {
            Err(ENOTTY)
        }

        /// Returns whether the file has state.
        fn poll(&self, file: &OpenFile<Self>, _: &PollTable<'_>) -> u32 {
            u32::from(file.get().is_some())
        }
    }

    struct Open;

    #[vtable]
    impl Attribute<Probe> for Open {
        const NAME: &'static CStr = c"open";

        fn show(probe: &Probe, out: &mut Formatter<'_>) -> fmt::Result {
            writeln!(out, "{}", probe.open.load(Relaxed))
        }
    }

    /// Something that does not fit in a page.
    struct Long;

    #[vtable]
    impl Attribute<Probe> for Long {
        const NAME: &'static CStr = c"long";

        fn show(_: &Probe, out: &mut Formatter<'_>) -> fmt::Result {
            (0..1000).try_for_each(|n| writeln!(out, "{n:10}"))
        }
    }

    type Registration = MiscDeviceRegistration<Probe>;

    fn register(
        name: &'static CStr,
        dropped: &Arc<Atomic<i32>>,
    ) -> Result<Pin<KBox<Registration>>> {
        let dropped = dropped.clone();

        KBox::pin_init(
            Registration::register(
                name,
                0o600,
                AttributeGroups::new::<(Open, Long)>(),
                try_init!(Probe {
                    open: Atomic::new(0),
                    states: Arc::new(Atomic::new(0), GFP_KERNEL)?,
                    dropped,
                }? Error),
            ),
            GFP_KERNEL,
        )
    }

    /// A file that is opened and released as the VFS would, but for the reference to the module.
    struct FakeFile(KBox<bindings::file>);

    // SAFETY: Nothing in it belongs to a thread.
    unsafe impl Send for FakeFile {}
    // SAFETY: Threads may read the same file.
    unsafe impl Sync for FakeFile {}

    impl FakeFile {
        fn open(device: &Registration) -> Result<Self> {
            let mut inode: KBox<bindings::inode> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
            let mut file: KBox<bindings::file> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;

            file.private_data = device.misc.get().cast();
            // SAFETY: To the function, these are as good as real ones, and the device is
            // registered.
            to_result(unsafe { VTable::<Probe>::open(&raw mut *inode, &raw mut *file) })?;
            Ok(Self(file))
        }

        /// Gets the state of the file, as the first step of a read.
        fn read(&self) -> Result<&State> {
            let file = (&raw const *self.0).cast_mut();
            // SAFETY: The file is open.
            let file = unsafe { OpenFile::<Probe>::from_ptr(file) };

            file.get_or_try_init()
        }

        fn poll(&self) -> u32 {
            let file = (&raw const *self.0).cast_mut();

            // SAFETY: The file is open, and there need not be a table.
            unsafe { VTable::<Probe>::poll(file, core::ptr::null_mut()) }
        }
    }

    impl Drop for FakeFile {
        fn drop(&mut self) {
            // SAFETY: The file was opened by `open()` and is not used any more.
            unsafe { VTable::<Probe>::release(core::ptr::null_mut(), &raw mut *self.0) };
        }
    }

    #[test]
    fn registers_and_deregisters() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        for _ in 0..20 {
            let device = register(c"procmon_kunit", &dropped)?;
            let (major, minor) = device.number();

            assert_eq!(major, 10);
            assert!(minor > bindings::MISC_DYNAMIC_MINOR);
            assert_eq!(dropped.load(Relaxed), 0);
            drop(device);
            assert_eq!(dropped.load(Relaxed), 1);
            dropped.store(0, Relaxed);
        }
        Ok(())
    }

    #[test]
    fn a_failing_initialiser_leaves_nothing() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let failed = KBox::pin_init(
            Registration::register(
                c"procmon_kunit",
                0o600,
                AttributeGroups::new::<(Open,)>(),
                // SAFETY: Nothing is left initialised when this fails.
                unsafe { pin_init::pin_init_from_closure(|_| Err(EILSEQ)) },
            ),
            GFP_KERNEL,
        );

        assert_eq!(failed.err(), Some(EILSEQ));
        drop(register(c"procmon_kunit", &dropped)?);
        Ok(())
    }

    #[test]
    fn attributes_show_the_data() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let device = register(c"procmon_kunit", &dropped)?;
        // SAFETY: The device is registered, so it has a `struct device`.
        let dev = unsafe { (*device.misc.get()).this_device };
        // SAFETY: That device was registered by `Registration` and stays for this function.
        let probe = unsafe { Registration::from_device(dev) };

        assert!(core::ptr::eq(probe, &device.data));
        Ok(())
    }

    #[test]
    fn a_file_has_state_from_the_first_read_on() -> Result {
        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let device = register(c"procmon_kunit", &dropped)?;
        let states = &device.data.states;
        let file = FakeFile::open(&device)?;
        let other = FakeFile::open(&device)?;

        assert_eq!(states.load(Relaxed), 0);
        assert_eq!(file.poll(), 0);

        let state = file.read()?;

        assert!(core::ptr::eq(state, file.read()?));
        assert_eq!(states.load(Relaxed), 1);
        assert_eq!((file.poll(), other.poll()), (1, 0));
        assert!(!core::ptr::eq(state, other.read()?));
        assert_eq!(states.load(Relaxed), 2);
        drop(file);
        assert_eq!(states.load(Relaxed), 1);
        drop(other);
        assert_eq!(states.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn threads_that_read_first_at_once_share_the_state() -> Result {
        use crate::abstractions::kthread::{
            tests::run_in_threads,
            CurrentThread, //
        };

        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let device = register(c"procmon_kunit", &dropped)?;

        for _ in 0..50 {
            let file = Arc::new(FakeFile::open(&device)?, GFP_KERNEL)?;
            let shared = file.clone();
            let failed = Arc::new(Atomic::new(0), GFP_KERNEL)?;
            let seen = failed.clone();

            run_in_threads::<4>(move |_: &CurrentThread| {
                let first = shared.read().map(core::ptr::from_ref);
                let again = shared.read().map(core::ptr::from_ref);

                if first.is_err() || first != again {
                    seen.add(1, Relaxed);
                }
            })?;
            assert_eq!(failed.load(Relaxed), 0);
            assert_eq!(device.data.states.load(Relaxed), 1);
            drop(file);
            assert_eq!(device.data.states.load(Relaxed), 0);
        }
        Ok(())
    }

    #[test]
    fn dropping_waits_for_open_files() -> Result {
        use crate::abstractions::kthread::{
            tests::run_in_threads,
            CurrentThread, //
        };
        use kernel::sync::SpinLock;

        let dropped = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let device = register(c"procmon_kunit", &dropped)?;
        let first = FakeFile::open(&device)?;
        let second = FakeFile::open(&device)?;

        assert_eq!(device.data.open.load(Relaxed), 2);
        drop(first);

        // One thread drops the device; another one releases the last file later, and looks first.
        let device = Arc::pin_init(
            kernel::new_spinlock!((Some(device), Some(second))),
            GFP_KERNEL,
        )?;
        let role = Atomic::new(0);
        let early = Arc::new(Atomic::new(-1), GFP_KERNEL)?;
        let (seen, gone) = (early.clone(), dropped.clone());
        let shared: Arc<SpinLock<_>> = device;

        run_in_threads::<2>(move |_: &CurrentThread| {
            if role.fetch_add(1, kernel::sync::atomic::Full) == 0 {
                let device = shared.lock().0.take();

                drop(device);
            } else {
                fsleep(Delta::from_millis(300));
                seen.store(gone.load(Relaxed), Relaxed);

                let file = shared.lock().1.take();

                drop(file);
            }
        })?;
        assert_eq!(early.load(Relaxed), 0);
        assert_eq!(dropped.load(Relaxed), 1);
        Ok(())
    }
}
