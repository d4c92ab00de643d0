public import PipelineKit
import Locking
import Wire

/// Makes messages up, for trials and measurements.
public final class GenerateSource: Source {
    private static let count = Option(optional: "count", .int(0 ... .max), help: "how many; else without end")
    private static let distinct = Option(
        optional: "distinct", .int(1 ... .max), help: "after how many `{n}` starts again at 0; else never")
    private static let rate = Option(
        optional: "rate", .number(0.001...1_000_000), help: "how many a second; else as fast as they are taken")
    private static let template = Option(
        "template", .string, default: defaultTemplate, shown: "a webhook record",
        help: "the message, in which {n} is its number and {until} the time an hour from now")
    private static let key = Option(
        "key", .text, default: "http://generated.example/hook/{n}",
        help: "the message's key, in which {n} is its number")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "generate",
        summary: "makes messages up, for trials and measurements",
        options: [count, distinct, rate, template, key],
        makes: .bytes,
        example: """
            source:
              generate: {count: 1000, rate: 100}
            """)

    private static let defaultTemplate = """
        {"config":{"url":"http://generated.example/hook/{n}","content_type":"application/json"},"failure_url":"",\
        "events":["device-status"],"matcher":{"device_id":[".*"]},"duration":3600000000000,"until":"{until}",\
        "registered_from_address":"192.0.2.1"}
        """

    private let count: Int
    private let distinct: Int?
    private let rate: Double?
    private let template: Template
    private let key: Template
    private let context: StageContext
    private let isStopped = Atomic<Bool>(false)

    /// A source with options.
    public init(_ options: Options, _ context: StageContext) throws {
        count = options[Self.count] ?? .max
        distinct = options[Self.distinct]
        rate = options[Self.rate]
        template = Template(options[Self.template])
        key = Template(options[Self.key])
        self.context = context
    }

    /// Makes messages until there are enough.
    public func run(into intake: Intake) async throws {
        let outstanding = Outstanding()
        let refused = Mutex<(count: Int, reason: String)>((0, ""))
        let started = ContinuousClock.now
        for number in 0..<count {
            if isStopped.load(ordering: .relaxed) { break }
            if let rate { try? await Task.sleep(until: started + .seconds(Double(number) / rate)) }
            let now = context.now()
            let shown = distinct.map { number % $0 } ?? number
            let until = RFC3339.format(Timestamp(seconds: now.seconds + 3600))
            let message = Message(
                id: "generated-\(number)", key: String(decoding: key.filled(shown, until), as: UTF8.self),
                payload: Bytes(template.filled(shown, until)), publishedAt: now, receivedAt: now)
            outstanding.add()
            do {
                try await intake.send(message) { settlement in
                    if case .refused(let stage, let reason, _) = settlement {
                        refused.withLock { $0 = ($0.count + 1, "\(stage): \(reason)") }
                    }
                    outstanding.remove()
                }
            } catch {
                outstanding.remove()
                break
            }
        }
        await outstanding.wait()
        let (count, reason) = refused.withLock { $0 }
        if count > 0 { throw StageError("\(count) messages were refused, the last by \(reason)") }
    }

    /// Makes no more.
    public func stop() async { isStopped.store(true, ordering: .relaxed) }
}

/// A text with gaps, taken apart once.
private struct Template: Sendable {
    private enum Part: Sendable {
        case text([UInt8])
        case number
        case until
    }

    private var parts: [Part] = []

    init(_ text: String) {
        var rest = Substring(text)
        while !rest.isEmpty {
            if rest.hasPrefix("{n}") {
                parts.append(.number)
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("{until}") {
                parts.append(.until)
                rest = rest.dropFirst(7)
            } else {
                let end = rest.dropFirst().firstIndex(of: "{") ?? rest.endIndex
                parts.append(.text(Array(rest[..<end].utf8)))
                rest = rest[end...]
            }
        }
    }

    func filled(_ number: Int, _ until: String) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(512)
        for part in parts {
            switch part {
            case .text(let bytes): output.append(contentsOf: bytes)
            case .number: output.append(contentsOf: String(number).utf8)
            case .until: output.append(contentsOf: until.utf8)
            }
        }
        return output
    }
}
