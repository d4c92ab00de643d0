import CHecateLinux
import Glibc
import Locking

/// A thread with an epoll that watches descriptors, runs submitted work and handles deadlines. Does not wake up when
/// idle.
///
/// A connection belongs to one event loop: its state is used on the loop's thread only, which `assertCurrent` asserts.
///
/// `@unchecked Sendable`: `inbox` is behind a lock, `thread` and `isAsleep` are atomic, the two descriptors are
/// constant; everything else is used on the loop's thread only.
package final class EventLoop: @unchecked Sendable {
    /// An owner of a watched descriptor.
    package protocol Descriptor: AnyObject {
        /// Handles epoll events of the descriptor, which include `EPOLLERR` and `EPOLLHUP`. Called on the event loop.
        func ready(_ events: UInt32)
    }

    /// Work for the event loop.
    package typealias Work = @Sendable () -> Void

    private struct Inbox {
        var work: [Work] = []
        var hasThread = false
        var isEnded = false
    }

    /// A watched descriptor. The generation identifies events of a closed descriptor whose number was reused.
    private struct Registration {
        var owner: (any Descriptor)?
        var events: UInt32 = 0
        var generation: UInt32 = 0
    }

    private static let maximumEvents = 256
    /// The size of `scratch`.
    package static let scratchSize = 64 << 10
    /// The epoll data of `wake`.
    private static let wakeMark = UInt64.max

    private let inbox = Mutex(Inbox())
    private let thread = Atomic<UInt>(0)
    /// Whether the thread waits, or is about to, and must be woken. Set before the last check of the inbox, so that
    /// later submissions see it.
    private let isAsleep = Atomic<Bool>(false)
    private let poll: Int32
    private let wake: Int32
    private let name: String

    // Used on the thread only from here on.
    var deadlines = DeadlineHeap()
    private var registrations: [Registration] = []
    private var batch: [Work] = []
    private var hasEnded = false
    private var date = HTTPDate()
    private var spareOutput: [UInt8] = []
    /// A read buffer. Its content is valid until the event loop handles another descriptor or calls other code.
    package let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: scratchSize, alignment: 16)

    /// Makes an event loop. Its thread starts with the first work.
    init(name: String) {
        self.name = name
        poll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wake = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard poll >= 0, wake >= 0 else { preconditionFailure("no descriptors for an event loop: errno \(errno)") }
        // Edge-triggered: each write wakes the loop once, and the counter need not be read.
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | EPOLLET.rawValue
        event.data.u64 = Self.wakeMark
        epoll_ctl(poll, EPOLL_CTL_ADD, wake, &event)
    }

    deinit {
        scratch.deallocate()
        close(poll)
        close(wake)
    }

    // MARK: - From any thread

    /// Whether this is the event loop's thread.
    package var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Stops the process if this is not the event loop's thread.
    package func assertCurrent() { precondition(isCurrent, "not on the event loop") }

    /// Runs work on the event loop, in order of submission. Dropped after `shutDown`.
    package func submit(_ work: @escaping Work) {
        let starts: Bool = inbox.withLock { inbox in
            guard !inbox.isEnded else { return false }
            inbox.work.append(work)
            defer { inbox.hasThread = true }
            return !inbox.hasThread
        }
        if starts { start() }
        if isAsleep.load(ordering: .acquiring), isAsleep.exchange(false, ordering: .acquiringAndReleasing) {
            eventfd_write(wake, 1)
        }
    }

    /// Ends the thread after the work submitted before. Watched descriptors are released without notice.
    func shutDown() {
        submit { [self] in
            hasEnded = true
            let dropped = inbox.withLock { inbox in
                inbox.isEnded = true
                defer { inbox.work = [] }
                return inbox.work
            }
            _ = dropped
        }
    }

    private func start() {
        // Signals are handled by other threads, including SIGPIPE of TLS writes.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var created = pthread_t()
        let status = pthread_create(
            &created, &attributes,
            { pointer in
                if let pointer { Unmanaged<EventLoop>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(status == 0, "no thread for an event loop: errno \(status)")
    }

    // MARK: - On the loop

    /// Watches a descriptor (level-triggered), or changes the watched events. Holds the owner until `unwatch`.
    ///
    /// - Returns: false if the system cannot watch it; see errno.
    @discardableResult
    package func watch(_ descriptor: Int32, _ events: UInt32, _ owner: any Descriptor) -> Bool {
        assertCurrent()
        let index = Int(descriptor)
        while registrations.count <= index { registrations.append(Registration()) }
        let isNew = registrations[index].owner == nil
        guard isNew || registrations[index].events != events else { return true }
        if isNew { registrations[index].generation &+= 1 }
        var event = epoll_event()
        event.events = events
        event.data.u64 = UInt64(registrations[index].generation) << 32 | UInt64(index)
        guard epoll_ctl(poll, isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event) == 0 else { return false }
        registrations[index].events = events
        if isNew { registrations[index].owner = owner }
        return true
    }

    /// Stops watching an open descriptor. Does nothing if it is not watched.
    package func unwatch(_ descriptor: Int32) {
        guard unregister(descriptor) else { return }
        epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, nil)
    }

    /// Stops watching a descriptor that its owner closes now, which removes it from the epoll: saves a system call.
    /// Only if no duplicate of the descriptor exists.
    package func unwatchClosing(_ descriptor: Int32) { unregister(descriptor) }

    @discardableResult
    private func unregister(_ descriptor: Int32) -> Bool {
        assertCurrent()
        let index = Int(descriptor)
        guard index >= 0, index < registrations.count, registrations[index].owner != nil else { return false }
        registrations[index].owner = nil
        return true
    }

    /// The `Date` field for a response now, with its line end.
    var dateField: [UInt8] { date.field() }

    /// Returns an empty array with capacity for a response; return it with `recycle`.
    func takeOutput() -> [UInt8] {
        var output: [UInt8] = []
        swap(&output, &spareOutput)
        return output
    }

    /// Returns an array for reuse.
    func recycle(_ output: consuming [UInt8]) {
        guard output.capacity <= Self.scratchSize else { return }
        output.removeAll(keepingCapacity: true)
        spareOutput = output
    }

    private func run() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        pthread_setname_np(pthread_self(), name)
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.maximumEvents)
        defer { events.deallocate() }
        readClock()
        while true {
            let isEmpty = runSubmitted()
            if hasEnded { break }
            let count = epoll_wait(poll, events, Int32(Self.maximumEvents), isEmpty ? deadlines.wait : 0)
            isAsleep.store(false, ordering: .releasing)
            readClock()
            for index in 0..<Int(max(0, count)) { dispatch(events[index]) }
            passDeadlines()
        }
        registrations = []
    }

    private func readClock() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        deadlines.now = UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    private func dispatch(_ event: epoll_event) {
        let mark = event.data.u64
        guard mark != Self.wakeMark else { return }
        let index = Int(mark & 0xffff_ffff)
        guard registrations[index].generation == UInt32(mark >> 32), let owner = registrations[index].owner else {
            return
        }
        owner.ready(event.events)
    }

    /// Runs submitted work, including work submitted meanwhile; after a few rounds it is the descriptors' turn. Returns
    /// whether the inbox is empty, so that the loop may sleep.
    private func runSubmitted() -> Bool {
        for _ in 0..<4 {
            isAsleep.store(true, ordering: .releasing)
            inbox.withLock { inbox in swap(&inbox.work, &batch) }
            if batch.isEmpty { return true }
            isAsleep.store(false, ordering: .releasing)
            for work in batch {
                work()
                if hasEnded { break }
            }
            batch.removeAll(keepingCapacity: batch.capacity <= 1024)
        }
        return false
    }
}
