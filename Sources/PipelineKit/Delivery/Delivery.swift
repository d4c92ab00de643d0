import Locking
import Wire

/// What waits between the stages of a lane and the sink: which message may be written next, which waits behind one of
/// its own key, which waits for its retry.
///
/// Without queues, threads or clocks: the lane that owns it, alone, tells it the time. Guarantees: never two messages
/// of one key are out at once; messages of one key go out in the order in which they came, except that into an upsert
/// sink only the newest of those that wait goes; every receipt handed in is settled exactly once.
struct Delivery {
    /// A message on its way to the sink.
    struct Entry {
        let message: Message
        let receipt: Receipt
        var attempts = 0
        /// The receipts of older messages of the same key in whose place this one is written.
        var superseded: [Receipt] = []

        /// A message made from the one that a receipt was given for.
        init(_ message: Message, _ receipt: Receipt) {
            self.message = message
            self.receipt = receipt
        }
    }

    private enum Phase { case ready, inFlight, backingOff }

    /// What there is of one key: the message that goes next or is out, and those behind it. An object, so that a key is looked up
    /// once and not with each step.
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

    /// Whether nothing waits and nothing is out.
    var isEmpty: Bool { slots.isEmpty }

    /// Whether something may be written now.
    var hasReady: Bool { !ready.isEmpty }

    /// When the next retry is due.
    var nextRetry: Duration? { timers.min?.due }

    /// Takes in a message.
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

    /// The next messages to write, at most `limit`, each of another key. What has expired is settled instead.
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

    /// Notes how the writing of a key's message ended.
    ///
    /// - Parameter jitter: a random number from 0 to 1, for the pause before a retry; asked for where there is one, because the
    ///   system is asked for it.
    /// - Returns: whether it will be tried again.
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
                // What waited behind it takes part in the retry: only the newest of both goes.
                slot.head = Self.merge(slot.head, newer)
            }
            timers.insert(Timer(due: now + pause, slot: slot))
            return true
        }
        return false
    }

    /// Makes ready what has waited long enough for its retry.
    mutating func wake(now: Duration) {
        while let timer = timers.min, timer.due <= now {
            _ = timers.popMin()
            guard timer.slot.phase == .backingOff else { continue }
            timer.slot.phase = .ready
            ready.append(timer.slot)
        }
    }

    /// Settles everything as failed: there is no more time.
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

    /// Puts a message beside one of its key that has not gone out yet: the newer by publication is kept, and answers
    /// for the older. One that is older than what is out just now is not written after it either.
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

    /// Settles a message and those in whose place it stood. They share its success; if it failed, however, they failed
    /// too and are sent again, since nothing of their key was written.
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
