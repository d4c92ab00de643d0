import PipelineKit

/// Shared code of sinks with nested sinks.
enum SinkGroup {
    /// Makes the sinks. Sinks of the same name are distinguished by their index.
    static func make(_ specs: [PipelineSpec.StageSpec], _ context: StageContext) throws -> [any Sink] {
        var seen: [String: Int] = [:]
        return try specs.map { spec in
            let count = seen[spec.name, default: 0] + 1
            seen[spec.name] = count
            let name = count == 1 ? spec.name : "\(spec.name)-\(count)"
            return try context.makeSink(spec, named: "\(context.stage).\(name)")
        }
    }

    /// Returns the largest batch and concurrency of all sinks, because each enforces its own; an upsert if all are.
    static func capabilities(of sinks: [any Sink]) -> SinkCapabilities {
        SinkCapabilities(
            batch: sinks.map(\.capabilities.batch).max() ?? 1, inFlight: sinks.map(\.capabilities.inFlight).max() ?? 1,
            isUpsert: sinks.allSatisfy(\.capabilities.isUpsert))
    }

    /// Opens all sinks. If one fails, those before it stay open.
    static func open(_ sinks: [any Sink]) async throws { for sink in sinks { try await sink.open() } }

    /// Closes all sinks.
    static func close(_ sinks: [any Sink]) async { for sink in sinks { await sink.close() } }

    /// Returns what the probe of each sink found.
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
