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
        let settled: @Sendable (Settlement) -> Void = { settlement in
            if case .refused(let stage, let reason, _) = settlement {
                refused.withLock { $0 = ($0.count + 1, "\(stage): \(reason)") }
            }
            outstanding.remove()
        }
        let maker = Mutex(Maker(count: count, distinct: distinct, template: template, key: key))
        let make: @Sendable (Int) -> [Message] = { [self] most in
            guard !isStopped.load(ordering: .relaxed) else { return [] }
            let messages = maker.withLock { $0.next(most, at: context.now()) }
            outstanding.add(messages.count)
            return messages
        }
        if let rate {
            try await run(at: rate, into: intake, outstanding, settled, make)
        } else {
            await intake.pull(settled: settled, make)
        }
        await outstanding.wait()
        let (count, reason) = refused.withLock { $0 }
        if count > 0 { throw StageError("\(count) messages were refused, the last by \(reason)") }
    }

    private func run(
        at rate: Double, into intake: Intake, _ outstanding: Outstanding,
        _ settled: @escaping @Sendable (Settlement) -> Void, _ make: (Int) -> [Message]
    ) async throws {
        let started = ContinuousClock.now
        for number in 0..<count {
            try? await Task.sleep(until: started + .seconds(Double(number) / rate))
            guard let message = make(1).first else { return }
            do {
                try await intake.send(message, settled: settled)
            } catch {
                return outstanding.remove()
            }
        }
    }

    /// Makes no more.
    public func stop() async { isStopped.store(true, ordering: .relaxed) }
}

/// Makes messages, one after the other.
private struct Maker {
    private static let id = Template("generated-{n}")

    private let count: Int
    private let distinct: Int?
    private let template: Template
    private let key: Template
    private var made = 0
    private var until = Until()

    init(count: Int, distinct: Int?, template: Template, key: Template) {
        self.count = count
        self.distinct = distinct
        self.template = template
        self.key = key
    }

    mutating func next(_ most: Int, at now: Timestamp) -> [Message] {
        let until = until.text(at: now)
        let numbers = made..<made + min(most, count - made)
        made = numbers.upperBound
        return numbers.map { number in
            let shown = distinct.map { number % $0 } ?? number
            return Message(
                id: Self.id.text(number, until), key: key.text(shown, until),
                payload: Bytes(template.bytes(shown, until)), publishedAt: now, receivedAt: now)
        }
    }
}

/// An hour from now, as text that is made once a second.
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

/// A text with gaps, taken apart once.
private struct Template: Sendable {
    private enum Part: Sendable {
        case text([UInt8])
        case number
        case until
    }

    private static let mostDigits = 20

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
                // What begins like a gap and is none goes on with the text before it.
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

    private func capacity(_ until: [UInt8]) -> Int {
        parts.reduce(0) { sum, part in
            switch part {
            case .text(let bytes): sum + bytes.count
            case .number: sum + Self.mostDigits
            case .until: sum + until.count
            }
        }
    }

    /// - Returns: how many bytes were written.
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
