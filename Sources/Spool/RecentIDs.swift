import Locking
import PipelineKit
import Wire

/// The ids that were stored recently, bounded in number and time.
struct RecentIDs {
    private static let maximumCount = 100_000

    private var times: [String: Timestamp] = [:]
    private var order: Deque<(id: String, at: Timestamp)> = []

    func contains(_ id: String, at now: Timestamp, window: Duration) -> Bool {
        times[id].map { now - $0 <= window } ?? false
    }

    mutating func insert(_ id: String, at now: Timestamp, window: Duration) {
        times[id] = now
        order.append((id, now))
        while let first = order.first, order.count > Self.maximumCount || now - first.at > window {
            _ = order.popFirst()
            if times[first.id] == first.at { times[first.id] = nil }
        }
    }
}
