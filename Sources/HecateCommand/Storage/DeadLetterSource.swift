import Locking
import PipelineKit
import Spool
import Wire

/// Emits dead letters into their pipeline.
final class DeadLetterSource: Source {
    static let declaration = StageDeclaration(name: "dead-letters", summary: "sends dead letters again", example: "")

    private struct Counts {
        var succeeded = 0
        var refused = 0
        var failed = 0
    }

    private let store: SQLiteDeadLetters
    private let progress: Progress
    private let isSelected: @Sendable (DeadLetter) -> Bool
    private let isStopped = Atomic<Bool>(false)
    private let tally = Mutex(Counts())

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("this source can only be used by 'dead-letters replay'")
    }

    init(store: SQLiteDeadLetters, progress: Progress, isSelected: @escaping @Sendable (DeadLetter) -> Bool) {
        self.store = store
        self.progress = progress
        self.isSelected = isSelected
    }

    var counts: (succeeded: Int, refused: Int, failed: Int) { tally.withLock { ($0.succeeded, $0.refused, $0.failed) } }

    func run(into intake: Intake) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await DeadLetterSelection.forEach(store, isSelected) { stored in
                guard !isStopped.load(ordering: .relaxed) else { return }
                let settlements = AsyncStream.makeStream(of: Settlement.self)
                do {
                    try await intake.send(stored.letter.message) { settlements.continuation.yield($0) }
                } catch is IntakeClosed {
                    return
                }
                group.addTask {
                    for await settlement in settlements.stream { return try await self.note(settlement, stored) }
                }
            }
            try await group.waitForAll()
        }
    }

    func stop() async { isStopped.store(true, ordering: .relaxed) }

    private func note(_ settlement: Settlement, _ stored: SQLiteDeadLetters.StoredDeadLetter) async throws {
        progress.advance()
        switch settlement {
        case .refused(let stage, let reason, let attempts):
            try await store.updateRefusal(stored.number, stage: stage, reason: reason, attempts: attempts, at: .now())
            tally.withLock { $0.refused += 1 }
        case .failed: tally.withLock { $0.failed += 1 }
        case .delivered, .spooled, .filtered, .expired, .superseded, .deadLettered:
            try await store.remove(stored.number)
            tally.withLock { $0.succeeded += 1 }
        }
    }
}
