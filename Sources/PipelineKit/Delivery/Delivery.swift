import Locking
import Wire

/// The messages between a lane's stages and its sink: decides which message is written next, which waits for an earlier
/// one of its key, and which waits for a retry.
///
/// Has no queue, thread or clock: only the lane that owns it uses it and passes the time. Guarantees that there is
/// never more than one write of a key in flight, that messages of one key are written in the order of their arrival (an
/// upsert sink gets only the newest of the waiting ones), and that every receipt is settled exactly once.
struct Delivery {
    /// A message that waits for the sink or is being written.
    struct Entry {
        let message: Message
        let receipt: Receipt
        var attempts = 0
        /// The receipts of older messages of the same key that this message supersedes.
        var superseded: [Receipt] = []

        init(_ message: Message, _ receipt: Receipt) {
            self.message = message
            self.receipt = receipt
        }
    }

    private enum Phase { case ready, inFlight, backingOff }

    /// The messages of one key: the one that is written next or in flight, and those queued behind it. A class, so that
    /// a key is looked up once.
    private final class Slot {
        let key: String
        var phase = Phase.ready
        var head: Entry
        var waiting: Deque<Entry> = []

        init(_ key: String, _ head: Entry) {
            self.key = key
            self.head = head
        }
    }

    private struct Timer: Comparable {
        let due: Duration
        let slot: Slot
        static func == (left: Timer, right: Timer) -> Bool { left.due == right.due }
        static func < (left: Timer, right: Timer) -> Bool { left.due < right.due }
    }

    private let sinkName: String
    private let creditBatch: CreditBatch?
    private let isUpsert: Bool
    private let retry: RetryPolicy
    private var slots: [String: Slot] = [:]
    private var written: WrittenVersions
    private var ready: Deque<Slot> = []
    private var timers = Heap<Timer>()

    init(
        sinkName: String, isUpsert: Bool, retry: RetryPolicy, rememberedKeys: Int = 50_000,
        creditBatch: CreditBatch? = nil
    ) {
        self.creditBatch = creditBatch
        written = WrittenVersions(capacity: rememberedKeys)
        self.sinkName = sinkName
        self.isUpsert = isUpsert
        self.retry = retry
    }

    /// Whether no message waits and none is in flight.
    var isEmpty: Bool { slots.isEmpty }

    /// Whether a message can be written now.
    var hasReady: Bool { !ready.isEmpty }

    /// When the next retry is due.
    var nextRetry: Duration? { timers.min?.due }

    /// Queues a message.
    mutating func enqueue(_ entry: Entry) {
        let key = entry.message.key
        if isUpsert, let last = written[key], WrittenVersions.Version(entry.message) < last {
            settle(entry, .superseded)
            return
        }
        guard let slot = slots[key] else {
            let slot = Slot(key, entry)
            slots[key] = slot
            ready.append(slot)
            return
        }
        if isUpsert { coalesce(entry, into: slot) } else { slot.waiting.append(entry) }
    }

    /// Returns the next messages to write, at most `limit`, each of a different key. Settles expired messages instead
    /// of returning them.
    mutating func nextBatch(atMost limit: Int, now: Timestamp) -> [Entry] {
        var batch: [Entry] = []
        while batch.count < limit, let slot = ready.popFirst() {
            if slot.head.message.payload.isExpired(at: now) {
                finish(slot, .expired)
            } else {
                slot.phase = .inFlight
                batch.append(slot.head)
            }
        }
        return batch
    }

    /// Records the outcome of the write of a key's message.
    ///
    /// - Parameter jitter: a random number from 0 to 1 for the delay before a retry. Evaluated only if there is a
    ///   retry, because it costs a system call.
    /// - Returns: whether the message will be retried.
    @discardableResult
    mutating func complete(
        _ key: String, _ outcome: WriteOutcome, now: Duration, jitter: @autoclosure () -> Double
    ) -> Bool {
        guard let slot = slots[key], slot.phase == .inFlight else { return false }
        switch outcome {
        case .delivered:
            if isUpsert { written[key] = WrittenVersions.Version(slot.head.message) }
            finish(slot, .delivered)
        case .superseded: finish(slot, .superseded)
        case .expired: finish(slot, .expired)
        case .permanent(let reason):
            finish(slot, .refused(stage: sinkName, reason: reason, attempts: slot.head.attempts + 1))
        case .transient(let reason, let retryAfter):
            let attempts = slot.head.attempts + 1
            let pause = retry.pause(after: attempts, retryAfter: retryAfter, jitter: jitter())
            if let limit = retry.maxElapsed, now + pause - slot.head.receipt.acceptedAt > limit {
                finish(slot, .failed(reason: reason, retryAfter: retryAfter))
                return false
            }
            slot.head.attempts = attempts
            slot.phase = .backingOff
            if isUpsert, let newer = slot.waiting.popFirst() {
                // The retry takes the newest of the failed message and those queued behind it.
                slot.head = Self.merge(slot.head, newer)
            }
            timers.insert(Timer(due: now + pause, slot: slot))
            return true
        }
        return false
    }

    /// Makes messages ready whose retry is due.
    mutating func wake(now: Duration) {
        while let timer = timers.min, timer.due <= now {
            _ = timers.popMin()
            guard timer.slot.phase == .backingOff else { continue }
            timer.slot.phase = .ready
            ready.append(timer.slot)
        }
    }

    /// Settles all messages as failed.
    mutating func abandon(reason: String) {
        let everything = slots.values
        slots = [:]
        ready = []
        timers = Heap()
        for slot in everything {
            for entry in CollectionOfOne(slot.head) + Array(slot.waiting) {
                settle(entry, .failed(reason: reason, retryAfter: nil))
            }
        }
    }

    /// Merges a message with one of the same key that is not written yet: the one that was published later is kept and
    /// supersedes the other. A message that is older than the one in flight is not written after it.
    private func coalesce(_ entry: Entry, into slot: Slot) {
        if slot.phase != .inFlight {
            slot.head = Self.merge(slot.head, entry)
        } else if Self.isOlder(entry, than: slot.head) {
            slot.head.superseded += [entry.receipt] + entry.superseded
        } else if let waiting = slot.waiting.popLast() {
            slot.waiting.append(Self.merge(waiting, entry))
        } else {
            slot.waiting.append(entry)
        }
    }

    private static func isOlder(_ entry: Entry, than other: Entry) -> Bool {
        WrittenVersions.Version(entry.message) < WrittenVersions.Version(other.message)
    }

    private static func merge(_ earlier: Entry, _ later: Entry) -> Entry {
        let laterWins = !isOlder(later, than: earlier)
        var winner = laterWins ? later : earlier
        let loser = laterWins ? earlier : later
        winner.attempts = earlier.attempts
        winner.superseded += [loser.receipt] + loser.superseded
        return winner
    }

    private mutating func finish(_ slot: Slot, _ settlement: Settlement) {
        let ended = slot.head
        if let next = slot.waiting.popFirst() {
            slot.head = next
            slot.phase = .ready
            ready.append(slot)
        } else {
            slots[slot.key] = nil
        }
        settle(ended, settlement)
    }

    /// Settles a message and those that it supersedes. They share its success. If it failed they fail, too, and their
    /// senders send them again, because nothing of their key was written.
    private func settle(_ entry: Entry, _ settlement: Settlement) {
        let supersededSettlement: Settlement =
            switch settlement {
            case .refused(_, let reason, _):
                .failed(reason: "a newer message of its key was refused: \(reason)", retryAfter: nil)
            case .failed: settlement
            default: .superseded
            }
        for receipt in entry.superseded { receipt.settle(supersededSettlement, creditBatch) }
        entry.receipt.settle(settlement, creditBatch)
    }
}
