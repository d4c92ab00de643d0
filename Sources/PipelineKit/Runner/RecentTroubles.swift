import Locking
public import Wire

/// What went wrong of late, each kind once with how often: for people who look on. Bounded. May be used from any thread; nothing is
/// noted on the way of a message that goes well.
final class RecentTroubles: Sendable {
    /// The most kinds that are kept; the one that was last seen longest ago gives way.
    static let most = 20
    /// The longest reason that is kept.
    private static let longest = 300

    private let troubles = Mutex<[Trouble]>([])
    private let now: @Sendable () -> Timestamp

    init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    /// The latest first.
    var all: [Trouble] { troubles.withLock { $0 } }

    func note(_ outcome: String, at stage: String, _ reason: String) {
        let reason = String(reason.prefix(Self.longest))
        let time = now()
        troubles.withLock { troubles in
            let known = troubles.firstIndex { $0.stage == stage && $0.outcome == outcome && $0.reason == reason }
            var trouble =
                known.map { troubles.remove(at: $0) }
                ?? Trouble(stage: stage, outcome: outcome, reason: reason, count: 0, first: time, last: time)
            trouble.count += 1
            trouble.last = time
            troubles.insert(trouble, at: 0)
            if troubles.count > Self.most { troubles.removeLast() }
        }
    }
}

/// Something that went wrong, and how often.
public struct Trouble: Sendable, Equatable {
    /// The stage.
    public var stage: String
    /// How it went: `transient`, `permanent`, `refused`, `failed`.
    public var outcome: String
    /// Why.
    public var reason: String
    /// How often.
    public var count: Int
    /// When it was first seen.
    public var first: Timestamp
    /// When it was last seen.
    public var last: Timestamp
}
