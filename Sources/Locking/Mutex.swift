// The standard library's `Mutex` and `Atomic`, for every room. Under the thread sanitizer `Mutex` is made of a POSIX mutex instead,
// which the sanitizer understands: the standard library's own waits inside code that is not instrumented, and each contended lock
// would be reported as a race. `Tests/run --sanitize` builds with THREAD_SANITIZER.
#if THREAD_SANITIZER
    import Glibc

    /// As `Synchronization.Mutex`.
    ///
    /// `@unchecked Sendable`: the value is touched with the lock held only.
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

        /// A lock with a value.
        public init(_ value: Value) { box = Box(value) }

        /// Runs a closure with the lock held.
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
