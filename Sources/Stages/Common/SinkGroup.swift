import PipelineKit

/// What sinks that hold other sinks share.
enum SinkGroup {
    /// Makes the sinks; those of the same name are told apart by their number.
    static func make(_ specs: [PipelineSpec.StageSpec], _ context: StageContext) throws -> [any Sink] {
        var seen: [String: Int] = [:]
        return try specs.map { spec in
            let count = seen[spec.name, default: 0] + 1
            seen[spec.name] = count
            let name = count == 1 ? spec.name : "\(spec.name)-\(count)"
            return try context.makeSink(spec, named: "\(context.stage).\(name)")
        }
    }

    /// As large batches and as many calls as the largest of them takes, since each keeps to its own bounds; an upsert where all
    /// are.
    static func capabilities(of sinks: [any Sink]) -> SinkCapabilities {
        SinkCapabilities(
            batch: sinks.map(\.capabilities.batch).max() ?? 1, inFlight: sinks.map(\.capabilities.inFlight).max() ?? 1,
            isUpsert: sinks.allSatisfy(\.capabilities.isUpsert))
    }

    /// Opens all; those that are open stay so where another cannot be opened.
    static func open(_ sinks: [any Sink]) async throws { for sink in sinks { try await sink.open() } }

    /// Closes all.
    static func close(_ sinks: [any Sink]) async { for sink in sinks { await sink.close() } }

    /// What was seen of each.
    static func probe(_ sinks: [any Sink], _ names: [String]) async throws -> String {
        var seen: [String] = []
        for (name, sink) in zip(names, sinks) {
            do {
                seen.append("\(name): \(try await sink.probe())")
            } catch {
                throw StageError("\(name): \(error)")
            }
        }
        return seen.joined(separator: "; ")
    }
}
