public import PipelineKit
import Locking
import Wire

/// Generates messages for tests and measurements.
public final class GenerateSource: Source {
    private static let count = Option(
        optional: "count", .int(0 ... .max), help: "how many messages; by default without end")
    private static let distinct = Option(
        optional: "distinct", .int(1 ... .max),
        help: "after how many messages `{n}` starts again at 0; by default never")
    private static let rate = Option(
        optional: "rate", .number(0.001...1_000_000),
        help: "how many messages per second; by default as many as possible")
    private static let template = Option(
        "template", .string, default: defaultTemplate, shown: "a webhook record",
        help: "the message, in which {n} is its number and {until} the time an hour from now")
    private static let key = Option(
        "key", .text, default: "http://generated.example/hook/{n}",
        help: "the message's key, in which {n} is its number")

    public static let declaration = StageDeclaration(
        name: "generate",
        summary: "generates messages, for tests and measurements",
        options: [count, distinct, rate, template, key],
        produces: .bytes,
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

    public init(_ options: Options, _ context: StageContext) throws {
        count = options[Self.count] ?? .max
        distinct = options[Self.distinct]
        rate = options[Self.rate]
        template = Template(options[Self.template])
        key = Template(options[Self.key])
        self.context = context
    }

    /// Generates messages until the configured count is reached.
    public func run(into intake: Intake) async throws {
        let tallies = Mutex<[SendTally]>([])
        if rate == nil, distinct == nil, key.hasNumber {
            // Each key is used once, so each lane can generate the messages of its own keys.
            await intake.pull { partition in
                let tally = SendTally()
                tallies.withLock { $0.append(tally) }
                let maker = Mutex(maker(partition))
                return MessageGenerator(
                    next: { [self] limit in
                        guard !isStopped.load(ordering: .relaxed) else { return nil }
                        let messages = maker.withLock { $0.next(limit, at: context.now()) }
                        tally.outstanding.add(messages?.count ?? 0)
                        return messages
                    }, settled: tally.settled)
            }
        } else {
            let tally = SendTally()
            tallies.withLock { $0 = [tally] }
            await run(into: intake, tally)
        }
        var refused = (count: 0, reason: "")
        for tally in tallies.withLock({ $0 }) {
            await tally.outstanding.wait()
            let (count, reason) = tally.refused.withLock { $0 }
            if count > 0 { refused = (refused.count + count, reason) }
        }
        if refused.count > 0 {
            throw StageError("\(refused.count) messages were refused, the last by \(refused.reason)")
        }
    }

    /// Generates one message after the other.
    private func run(into intake: Intake, _ tally: SendTally) async {
        var maker = maker(.all)
        let started = ContinuousClock.now
        while !isStopped.load(ordering: .relaxed) {
            if let rate { try? await Task.sleep(until: started + .seconds(Double(maker.madeCount) / rate)) }
            guard let message = maker.next(1, at: context.now())?.first else { return }
            tally.outstanding.add()
            do {
                try await intake.send(message, settled: tally.settled)
            } catch {
                return tally.outstanding.remove()
            }
        }
    }

    private func maker(_ partition: LanePartition) -> MessageMaker {
        MessageMaker(count: count, distinct: distinct, template: template, key: key, partition: partition)
    }

    public func stop() async { isStopped.store(true, ordering: .relaxed) }
}

/// What became of messages. One for each lane, so that lanes do not contend for the counters.
private final class SendTally: Sendable {
    let outstanding = OutstandingMessages()
    let refused = Mutex<(count: Int, reason: String)>((0, ""))

    var settled: @Sendable (Settlement) -> Void {
        { [self] settlement in
            if case .refused(let stage, let reason, _) = settlement {
                refused.withLock { $0 = ($0.count + 1, "\(stage): \(reason)") }
            }
            outstanding.remove()
        }
    }
}

/// Makes messages, one after the other.
private struct MessageMaker {
    private static let id = Template("generated-{n}")

    let count: Int
    let distinct: Int?
    let template: Template
    let key: Template
    /// The keys of the messages.
    let partition: LanePartition
    /// How many messages were made or left to other partitions.
    private(set) var madeCount = 0
    private var until = Until()

    init(count: Int, distinct: Int?, template: Template, key: Template, partition: LanePartition) {
        self.count = count
        self.distinct = distinct
        self.template = template
        self.key = key
        self.partition = partition
    }

    /// - Returns: nil at the end.
    mutating func next(_ limit: Int, at now: Timestamp) -> [Message]? {
        let until = until.text(at: now)
        var messages: [Message] = []
        messages.reserveCapacity(limit)
        while messages.count < limit, madeCount < count {
            let number = madeCount
            madeCount += 1
            let shown = distinct.map { number % $0 } ?? number
            if !partition.isAll, !partition.contains(keyHash: key.hash(shown, until)) { continue }
            messages.append(
                Message(
                    id: Self.id.text(number, until), key: key.text(shown, until),
                    payload: Bytes(template.bytes(shown, until)), publishedAt: now, receivedAt: now))
        }
        return messages.isEmpty ? nil : messages
    }
}

/// The time one hour from now, as text that is rendered once a second.
private struct Until {
    private var second = Int64.min
    private var text: [UInt8] = []

    mutating func text(at now: Timestamp) -> [UInt8] {
        if now.seconds != second {
            second = now.seconds
            text = Array(RFC3339.format(Timestamp(seconds: second + 3600)).utf8)
        }
        return text
    }
}

/// A text with placeholders, parsed once.
private struct Template: Sendable {
    private enum Part: Sendable {
        case text([UInt8])
        case number
        case until
    }

    private static let maximumDigits = 20

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
                // An unknown placeholder is part of the text.
                if case .text(let before)? = parts.last {
                    parts[parts.count - 1] = .text(before + Array(rest[..<end].utf8))
                } else {
                    parts.append(.text(Array(rest[..<end].utf8)))
                }
                rest = rest[end...]
            }
        }
    }

    func bytes(_ number: Int, _ until: [UInt8]) -> [UInt8] {
        Array(unsafeUninitializedCapacity: capacity(until)) { $1 = fill($0, number, until) }
    }

    func text(_ number: Int, _ until: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: capacity(until)) { fill($0, number, until) }
    }

    /// Whether the text depends on the number of the message.
    var hasNumber: Bool { parts.contains { if case .number = $0 { true } else { false } } }

    /// Returns the `stableHash` of the text.
    func hash(_ number: Int, _ until: [UInt8]) -> UInt64 {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity(until)) {
            stableHash(UnsafeBufferPointer(rebasing: $0[..<fill($0, number, until)]))
        }
    }

    private func capacity(_ until: [UInt8]) -> Int {
        parts.reduce(0) { sum, part in
            switch part {
            case .text(let bytes): sum + bytes.count
            case .number: sum + Self.maximumDigits
            case .until: sum + until.count
            }
        }
    }

    /// - Returns: the number of bytes written.
    private func fill(_ output: UnsafeMutableBufferPointer<UInt8>, _ number: Int, _ until: [UInt8]) -> Int {
        var count = 0
        for part in parts {
            switch part {
            case .text(let bytes): count = output[count...].initialize(fromContentsOf: bytes)
            case .number:
                var rest = number
                var digits = 1
                while rest >= 10 { (rest, digits) = (rest / 10, digits + 1) }
                rest = number
                for index in (count..<count + digits).reversed() {
                    output[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                    rest /= 10
                }
                count += digits
            case .until: count = output[count...].initialize(fromContentsOf: until)
            }
        }
        return count
    }
}
