import Locking
import PipelineKit
import Wire

/// Emits the registrations of a list at a limited rate, and records their results.
final class RegistrationSource: Source {
    static let declaration = StageDeclaration(name: "list", summary: "takes the registrations of a list", example: "")

    private struct State {
        var isStopped = false
        var outcomes: [Int: Settlement] = [:]
    }

    private let list: RegistrationList
    private let entries: [RegistrationList.Entry]
    private let attributes: [String: String]
    private let interval: Duration
    private let onSettled: @Sendable (RegistrationList.Entry, Settlement) -> Void
    private let state = Mutex(State())

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("this source can only be used by 'backfill' and 'verify'")
    }

    /// - Parameters:
    ///   - entries: the registrations to emit.
    ///   - rate: how many per second.
    ///   - onSettled: called when one has ended, on a queue of the pipeline.
    init(
        _ list: RegistrationList, entries: [RegistrationList.Entry], attributes: [String: String], rate: Double,
        onSettled: @escaping @Sendable (RegistrationList.Entry, Settlement) -> Void
    ) {
        self.list = list
        self.entries = entries
        self.attributes = attributes
        interval = .seconds(1) / rate
        self.onSettled = onSettled
    }

    /// The results by position.
    var outcomes: [Int: Settlement] { state.withLock { $0.outcomes } }

    func run(into intake: Intake) async throws {
        var due = ContinuousClock.now
        for entry in entries {
            while due > .now, !isStopped {
                try await Task.sleep(for: min(due - .now, .milliseconds(100)))
            }
            guard !isStopped else { return }
            due = max(due, .now - .seconds(1)) + interval
            do {
                try await intake.send(entry.message(of: list, attributes: attributes, at: .now())) {
                    [self] settlement in
                    state.withLock { $0.outcomes[entry.position] = settlement }
                    onSettled(entry, settlement)
                }
            } catch is IntakeClosed {
                return
            }
        }
    }

    func stop() async { state.withLock { $0.isStopped = true } }

    private var isStopped: Bool { state.withLock { $0.isStopped } }
}
