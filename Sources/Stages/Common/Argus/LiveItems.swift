import Locking
import PipelineKit
import Telemetry
import Webhooks
import Wire

/// Counts the distinct items that were written and have not expired, to compare with the list sizes of Tr1d1um and
/// Caduceus. Starts at zero with each process, and is complete after the first renewals.
///
/// Bounded: stops counting at a million items. Thread-safe.
final class LiveItems: Sendable {
    private struct State {
        /// When each item expires, in epoch seconds, by the first 64 bits of its id.
        var ends: [UInt64: Int64] = [:]
        var sweeper: Task<Void, Never>?
    }

    private static let maximumCount = 1_000_000
    private static let sweepInterval = Duration.seconds(5)

    private let state = Mutex(State())
    private let gauge: Gauge
    private let now: @Sendable () -> Timestamp

    init(_ context: StageContext) {
        now = context.now
        gauge = Gauge(
            label: "xmidt_hecate_webhook_list_size_value", dimensions: [("pipeline", context.pipeline)],
            factory: context.metrics)
        gauge.record(0)
    }

    /// Records that an item was written.
    func record(_ item: ArgusItem, now: Timestamp) {
        guard let key = UInt64(item.id.prefix(16), radix: 16) else { return }
        let count = state.withLock { state in
            if state.ends.count < Self.maximumCount || state.ends[key] != nil {
                state.ends[key] = now.seconds &+ min(item.lifetime.secondsLeft(at: now), 1 << 40)
            }
            return state.ends.count
        }
        gauge.record(count)
    }

    /// Starts removing expired items every few seconds.
    func startSweeping() {
        let sweeper = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.sweepInterval)
                self?.sweep()
            }
        }
        state.withLock { state in
            state.sweeper?.cancel()
            state.sweeper = sweeper
        }
    }

    /// Stops removing expired items.
    func stopSweeping() { state.withLock { $0.sweeper?.cancel() } }

    private func sweep() {
        let seconds = now().seconds
        let count = state.withLock { state in
            state.ends = state.ends.filter { $0.value > seconds }
            return state.ends.count
        }
        gauge.record(count)
    }
}
