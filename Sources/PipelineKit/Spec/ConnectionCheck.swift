public import Telemetry

extension PipelineSpec {
    /// The result of checking one connection of a pipeline.
    public struct ConnectionCheck: Sendable {
        /// The stage, such as `source sns` or `sink argus`.
        public var title: String
        /// What was found, or why the connection cannot be used.
        public var result: Result<String, StageError>
    }

    /// The maximum duration of one check.
    private static let timeout = Duration.seconds(20)

    /// Checks the connections of a pipeline without changing anything: of the source, the sink, the sinks of filters
    /// and a sink for dead letters, one after the other.
    ///
    /// - Returns: the results in order; nil, with a diagnostic, if a stage cannot be made.
    public func checkConnections(
        deadLetters: StageSpec? = nil, logger: Logger, _ diagnostics: inout Diagnostics
    ) async -> [ConnectionCheck]? {
        let context = StageContext(
            pipeline: name, stage: "", logger: logger, metrics: SilentMetrics(), isDryRun: true)
        var parts: [(String, @Sendable () async throws -> String)] = []
        let otherwiseSinks = stages.compactMap { stage in stage.otherwise.map { ("otherwise of \(stage.name): ", $0) } }
        let specs = [("", source)] + otherwiseSinks + [("", sink)] + (deadLetters.map { [("deadLetters: ", $0)] } ?? [])
        for (title, spec) in specs {
            switch spec.make(context, &diagnostics) {
            case .source(let source): parts.append((title + spec.kind.title, { try await source.probe() }))
            case .sink(let sink): parts.append((title + spec.kind.title, { try await sink.probe() }))
            case .filter, .transform, nil: return nil
            }
        }
        var checks: [ConnectionCheck] = []
        for (title, probe) in parts {
            checks.append(ConnectionCheck(title: title, result: await Self.result(of: probe)))
        }
        return checks
    }

    private static func result(of probe: @escaping @Sendable () async throws -> String) async -> Result<
        String, StageError
    > {
        let answers = AsyncStream.makeStream(of: Result<String, StageError>.self)
        let task = Task {
            do {
                answers.continuation.yield(.success(try await probe()))
            } catch {
                answers.continuation.yield(.failure(StageError("\(error)")))
            }
        }
        let timer = Task {
            try await Task.sleep(for: timeout)
            answers.continuation.yield(.failure(StageError("no answer within \(timeout)")))
        }
        defer {
            task.cancel()
            timer.cancel()
        }
        for await answer in answers.stream { return answer }
        return .failure(StageError("no answer"))
    }
}
