import Arguments
import PipelineFile
import PipelineKit
import Stages
import Telemetry
import Wire

/// The two sides of the comparison.
struct ComparisonSides: Sendable {
    let from: String
    let authorization: ListAuthorization
    let attributes: [String: String]
    let tolerance: Duration
    private let evaluation: @Sendable (Timestamp) -> DryEvaluation?
    private let isPipelined: Bool
    private let bucket: ArgusBucket
    private let owners: [String]

    init(
        from: String, authorization: ListAuthorization, target: ArgusTarget, attributes: [String: String],
        tolerance: Duration
    ) throws {
        self.from = from
        self.authorization = authorization
        self.attributes = attributes
        self.tolerance = tolerance
        owners = target.owners
        let (file, sink) = try target.resolve()
        do {
            bucket = try ArgusBucket(of: sink)
        } catch {
            throw CommandFailure("sink argus: \(error)", status: .badConfiguration)
        }
        isPipelined = file != nil
        evaluation = { now in
            guard let file else { return nil }
            var diagnostics = Diagnostics()
            let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
            return file.pipeline.makeDryEvaluation(logger: logger, now: { now }, &diagnostics)
        }
        if let file {
            var diagnostics = Diagnostics()
            let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
            guard file.pipeline.makeDryEvaluation(logger: logger, now: { .now() }, &diagnostics) != nil else {
                throw CommandFailure(diagnostics.all.map(\.message).joined(separator: "\n"), status: .badConfiguration)
            }
        }
    }

    /// Reads both sides once and compares them.
    func compare() async throws -> Comparison {
        let list = try await RegistrationList(from, authorization: authorization)
        do {
            return try await bucket.connected { bucket in
                let read = Timestamp.now()
                let expectedItems = Comparison.read(list, through: evaluation(read), attributes: attributes, at: read)
                let ownersToCompare = Set(owners).union(
                    owners.isEmpty ? expectedItems.expected.values.compactMap(\.owner) : [])
                var items: [String: [ArgusBucket.Item]] = [:]
                for owner in ownersToCompare { items[owner] = try await bucket.items(of: owner).items }
                return try await Comparison(
                    expectedItems, with: items, tolerance: tolerance, isPipelined: isPipelined, at: .now()
                ) { id, owner in
                    if case .otherOwner = try await bucket.lookUp(id, as: owner) { true } else { false }
                }
            }
        } catch let error as StageError {
            throw CommandFailure(error.description)
        } catch let error as CommandFailure {
            throw error
        } catch {
            throw CommandFailure("Argus does not answer: \(error)")
        }
    }
}
