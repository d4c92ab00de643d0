import Glibc

/// The contexts of a thread, made on first use and freed when it ends.
final class ThreadContexts {
    private(set) lazy var sha1 = DigestContext(LibCrypto.sha1)
    private(set) lazy var sha256 = DigestContext(LibCrypto.sha256)
    private(set) lazy var hmac = HMACContext()

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { pointer in
            if let pointer { Unmanaged<ThreadContexts>.fromOpaque(pointer).release() }
        }
        // PTHREAD_KEYS_MAX is 1024, and this is the module's only key.
        precondition(status == 0, "no key for values of threads")
        return key
    }()

    /// The contexts of the calling thread. Must not be passed to another.
    static var current: ThreadContexts {
        if let pointer = pthread_getspecific(key) {
            return Unmanaged<ThreadContexts>.fromOpaque(pointer).takeUnretainedValue()
        }
        let created = ThreadContexts()
        pthread_setspecific(key, Unmanaged.passRetained(created).toOpaque())
        return created
    }
}
