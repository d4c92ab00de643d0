// The standard library's `Mutex` and `Atomic` for every module. Under the thread sanitizer `Mutex` uses a POSIX mutex,
// which the sanitizer understands: the standard library's waits in code that is not instrumented, so that each
// contended lock would be reported as a race. `Tests/run --sanitize` defines THREAD_SANITIZER.
#if THREAD_SANITIZER
    import Glibc

    /// Like `Synchronization.Mutex`.
    ///
    /// `@unchecked Sendable`: the value is used only with the lock held.
    public struct Mutex<Value>: ~Copyable, @unchecked Sendable {
        private final class Box {
            var lock = pthread_mutex_t()
            var value: Value
            init(_ value: Value) {
                self.value = value
                pthread_mutex_init(&lock, nil)
            }
            deinit { pthread_mutex_destroy(&lock) }
        }

        private let box: Box

        public init(_ value: Value) { box = Box(value) }

        /// Calls a closure with the lock held.
        public borrowing func withLock<Result, Failure: Error>(
            _ body: (inout Value) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            pthread_mutex_lock(&box.lock)
            defer { pthread_mutex_unlock(&box.lock) }
            return try body(&box.value)
        }
    }

    @_exported import struct Synchronization.Atomic
    @_exported import struct Synchronization.AtomicLoadOrdering
    @_exported import struct Synchronization.AtomicStoreOrdering
    @_exported import struct Synchronization.AtomicUpdateOrdering
#else
    @_exported import Synchronization
#endif
