import Locking
import PipelineKit
import Telemetry
import Webhooks
import Wire

/// Counts the distinct items that were written and have not ended: what dashboards compare with the list sizes of Tr1d1um and
/// Caduceus. It starts at nothing with every start of the process, and grows complete with the renewals.
///
/// Bounded: past a million items the count stands still. May be used from any thread.
final class LiveItems: Sendable {
    private struct State {
        /// When the item whose id begins with these 64 bits ends, in epoch seconds.
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

    /// An item was written.
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

    /// Leaves out what has ended, every few seconds.
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

    /// The sink is closed.
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
