import HTTP
import Locking
import Telemetry
import PipelineFile
import PipelineKit
import Wire

/// The history of the sizes of webhook lists for the status page: those in `operations: {lists: ...}`, polled from
/// their metrics, and the items that this process wrote. Bounded. Thread-safe.
final class ListSizes: Sendable {
    /// A list.
    struct List: Sendable {
        var name: String
        /// The last size; nil if unknown.
        var size: Int?
        /// Why the size is unknown.
        var error: String?
        /// The sizes by time in seconds since the epoch.
        var points: [(time: Int64, size: Int?)] = []
    }

    private static let interval = Duration.seconds(2)
    /// The points of an hour.
    private static let maximumPoints = 1800
    private static let maximumResponseBytes = 8 << 20
    private static let timeout = Duration.seconds(2)

    private let sources: [PipelineFile.ListSize]
    private let registry: PrometheusRegistry
    private let lists: Mutex<[List]>

    init(_ sources: [PipelineFile.ListSize], registry: PrometheusRegistry) {
        self.sources = sources
        self.registry = registry
        lists = Mutex(sources.map { List(name: $0.name) } + [List(name: "Hecate")])
    }

    /// The lists with points; this process's own only if it writes items.
    var all: [List] { lists.withLock { $0 }.filter { !$0.points.isEmpty } }

    /// Polls until cancelled.
    func run() async {
        var client: HTTPClient?
        if !sources.isEmpty {
            do {
                client = try HTTPClient()
            } catch {
                for index in sources.indices { record(Answer(index: index, size: nil, error: "\(error)")) }
            }
        }
        while !Task.isCancelled {
            if let client { await poll(client) }
            noteOwn()
            try? await Task.sleep(for: Self.interval)
        }
        await client?.shutDown()
    }

    private func poll(_ client: HTTPClient) async {
        // Not tuples with a `Result`: Swift 6.3.1's optimizer mixes up the index if one fails and another does not.
        await withTaskGroup(of: Answer.self) { group in
            for (index, source) in sources.enumerated() {
                group.addTask {
                    do {
                        return Answer(index: index, size: try await Self.size(source, client), error: nil)
                    } catch {
                        return Answer(index: index, size: nil, error: "\(error)")
                    }
                }
            }
            for await answer in group { record(answer) }
        }
    }

    /// Records the number of items that this process has written.
    private func noteOwn() {
        let ownSamples = registry.samples.filter { $0.name == "xmidt_hecate_webhook_list_size_value" }
        if !ownSamples.isEmpty {
            record(Answer(index: sources.count, size: Int(ownSamples.reduce(0) { $0 + $1.value }), error: nil))
        }
    }

    private struct Answer {
        var index: Int
        var size: Int?
        var error: String?
    }

    private func record(_ answer: Answer) {
        let time = Timestamp.now().seconds
        lists.withLock { lists in
            var list = lists[answer.index]
            list.size = answer.size
            list.error = answer.error
            list.points.append((time, answer.size))
            if list.points.count > Self.maximumPoints { list.points.removeFirst() }
            lists[answer.index] = list
        }
    }

    /// Sums up a metric over its series.
    ///
    /// Source of the format: Prometheus documentation, "Exposition formats".
    private static func size(_ source: PipelineFile.ListSize, _ client: HTTPClient) async throws -> Int {
        let response: ClientResponse
        do {
            response = try await client.execute(
                ClientRequest("GET", try WebURL(source.url)), within: timeout, body: .whole(maximumResponseBytes))
        } catch {
            throw StageError("no answer")
        }
        guard response.status == 200 else { throw StageError("it answers \(response.status)") }
        let values = response.body.text.split(separator: "\n").compactMap { line -> Double? in
            guard line.hasPrefix(source.metric), let next = line.dropFirst(source.metric.count).first,
                next == " " || next == "{"
            else { return nil }
            let rest =
                next == "{"
                ? line[(line.lastIndex(of: "}") ?? line.startIndex)...].dropFirst()
                : line.dropFirst(source.metric.count)
            return rest.split(separator: " ").first.flatMap { Double($0) }
        }
        guard !values.isEmpty else { throw StageError("it has no metric \(source.metric)") }
        let sum = values.reduce(0, +)
        guard sum.isFinite, abs(sum) < 1e15 else { throw StageError("\(source.metric) is no size") }
        return Int(sum)
    }
}
