import AWS
import PipelineFile
import PipelineKit
import Wire

/// A parsed file with tests of a pipeline.
struct PipelineTestFile {
    /// A test.
    struct Case {
        var name: String
        var message: Message
        var expected: Expectation
        /// The location of the test and of its expectation; nil if it has none yet.
        var location: SourceLocation
        var expectationLocation: SourceLocation?
    }

    /// The expected result of a message.
    enum Expectation {
        case delivers([DeliveryExpectation])
        case drops(by: String?)
        case deadLetters(stage: String?, reason: String?)
        case expires
        /// No expectation yet.
        case nothing
    }

    /// The expectation of one message at the sink; parts that are not given are not compared.
    struct DeliveryExpectation {
        var body: JSONTree?
        var contains: JSONTree?
        var text: String?
        var fields: [(name: String, value: String)] = []
    }

    let path: String
    let pipeline: PipelineSpec
    let now: Timestamp
    private(set) var cases: [Case] = []

    // MARK: - Options

    private static let json = OptionType<JSONTree>("JSON") { node, _ in tree(of: node) }
    private static let time = OptionType<String>.string.map(named: "date-time") { text in
        guard let time = RFC3339.parse(text) else {
            throw OptionError("'\(text)' is no date-time such as 2026-01-01T00:00:00Z")
        }
        return time.timestamp
    }
    private static let defaultNow = Timestamp(seconds: 1_767_225_600)
    private static let pipelineOption = Option(
        optional: "pipeline", .string,
        help: "the pipeline file, relative to this one; by default its name without .test")
    private static let nowOption = Option(
        "now", time, default: defaultNow, shown: "2026-01-01T00:00:00Z", help: "the time of all tests")
    private static let settings = Option(
        "set", .list(of: .string), default: [], help: "options to override, as with --set")
    private static let variables = Option(
        "variables", .dictionary(of: .text), default: [:], shown: "", help: "the values of ${VAR}")
    private static let files = Option(
        "files", .dictionary(of: .text), default: [:], shown: "", help: "the values of ${file:PATH}, by path")
    private static let tests = Option(
        "tests",
        OptionType<[ConfigNode]>("list of tests", shape: .list(.group(caseOptions))) { node, diagnostics in
            if case .list(let nodes) = node.content { return nodes }
            diagnostics.error("expected a list of tests", at: node.location)
            return nil
        }, help: "the tests")
    /// The options of a test file.
    static let declarations: [any OptionDeclaration] = [
        pipelineOption, nowOption, settings, variables, files, tests,
    ]

    private static let name = Option(optional: "name", .string, help: "the name of the test")
    private static let webhook = Option(optional: "webhook", json, help: "a registration")
    private static let anyJSON = Option(optional: "json", json, help: "any JSON")
    private static let text = Option(optional: "text", .text, help: "any text")
    private static let base64 = Option(optional: "base64", .string, help: "any bytes, in base 64")
    private static let sns = Option(
        optional: "sns", json,
        help: "an SNS envelope; its Message may be JSON, missing members get defaults")
    private static let input = Option(
        "input", .group("an input", [webhook, anyJSON, text, base64, sns]), help: "the message")
    private static let id = Option(optional: "id", .string, help: "the message's id")
    private static let key = Option(optional: "key", .string, help: "its key; by default its config.url")
    private static let topic = Option(optional: "topic", .string, help: "its topic")
    private static let attributes = Option(
        "attributes", .dictionary(of: .text), default: [:], shown: "", help: "its attributes")
    private static let publishedAt = Option(
        optional: "publishedAt", time, help: "when it was published; by default now")

    private static let body = Option(optional: "body", json, help: "the whole body, as JSON")
    private static let contains = Option(optional: "contains", json, help: "a part of the body")
    private static let bodyText = Option(optional: "text", .text, help: "the body, as text")
    private static let scalar = OptionType<String>("text", shape: .oneOf([.text, .integer(.min ... .max)])) {
        node, diagnostics in
        switch node.content {
        case .string(let text): return text
        case .int(let value): return "\(value)"
        default:
            diagnostics.error("expected text or an integer, found \(node.kindName)", at: node.location)
            return nil
        }
    }
    private static let deliveredFields = ["id", "key", "owner", "ttl", "item"].map {
        Option(optional: $0, scalar, help: "the \($0)")
    }
    private static let delivery: [any OptionDeclaration] = [body, contains, bodyText] + deliveredFields
    private static let delivers = Option(
        optional: "delivers", .list(of: .group("delivers", delivery)), help: "the expected messages at the sink")
    private struct Drop: Sendable { let stage: String? }
    private static let by = Option(optional: "by", .string, help: "the stage that stops it")
    private static let drops = Option(
        optional: "drops",
        OptionType<Drop>("stage", shape: .oneOf([.boolean, .text, .group([by])])) { node, diagnostics in
            if case .bool(true) = node.content { return Drop(stage: nil) }
            if let text = node.text { return Drop(stage: text) }
            let read = Options.read(node, declarations: [by], owner: "drops", &diagnostics)
            return read.map { Drop(stage: $0[by]) }
        }, help: "expects that a filter stops it, and which")
    private static let stage = Option(optional: "stage", .string, help: "the stage that refuses it")
    private static let reason = Option(optional: "reason", .string, help: "the reason, or a part of it")
    private static let deadLetters = Option(
        optional: "dead-letters", .group("dead-letters", [stage, reason]), help: "expects that it is refused")
    private static let expires = Option(
        "expires", .bool, default: false, help: "expects that it has expired and is not written")
    private static let expectations: [any OptionDeclaration] = [delivers, drops, deadLetters, expires]
    private static let caseOptions: [any OptionDeclaration] =
        [name, input, id, key, topic, attributes, publishedAt] + expectations

    /// Returns a value of a file as JSON.
    static func tree(of node: ConfigNode) -> JSONTree {
        switch node.content {
        case .null: .null
        case .bool(let value): .bool(value)
        case .int(let value): .integer(value)
        case .double(let value): .number("\(value)")
        case .string(let text): .string(text)
        case .list(let nodes): .array(nodes.map(tree))
        case .map(let entries): .object(entries.map { .init($0.key, tree(of: $0.value)) })
        }
    }

    // MARK: - Reading

    /// Loads a test file and its pipeline.
    ///
    /// - Returns: nil if there is an error; and the report.
    static func load(_ path: String, registry: StageRegistry) -> (file: PipelineTestFile?, report: Report) {
        var (root, report) = PipelineFile.tree(of: path)
        guard let root else { return (nil, report) }
        var diagnostics = Diagnostics()
        let options = Options.read(root, declarations: declarations, owner: "a test file", &diagnostics)
        report.diagnostics.append(contentsOf: diagnostics.all)
        guard let options else { return (nil, report) }
        let stem = pipeline(of: path)
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        let (files, fileReport) = PipelineFile.load(
            [options[pipelineOption].map { $0.hasPrefix("/") ? $0 : folder + $0 } ?? stem], registry: registry,
            settings: options[settings],
            substitution: .system.overridden(variables: options[variables], files: options[Self.files]))
        report.append(fileReport)
        guard let file = files.first, !report.hasErrors else { return (nil, report) }
        var result = PipelineTestFile(path: path, pipeline: file.pipeline, now: options[nowOption])
        var problems = Diagnostics()
        for (index, node) in options[tests].enumerated() { result.add(node, number: index + 1, &problems) }
        report.diagnostics.append(contentsOf: problems.all)
        return (report.hasErrors ? nil : result, report)
    }

    /// Returns the default pipeline of a test file: `wave-1.yaml` for `wave-1.test.yaml`.
    private static func pipeline(of path: String) -> String {
        for ending in ["yaml", "yml"] where path.hasSuffix(".test.\(ending)") {
            return path.dropLast(".test.\(ending)".count) + ".\(ending)"
        }
        return path
    }

    private init(path: String, pipeline: PipelineSpec, now: Timestamp) {
        self.path = path
        self.pipeline = pipeline
        self.now = now
    }

    private mutating func add(_ node: ConfigNode, number: Int, _ diagnostics: inout Diagnostics) {
        let read = Options.read(node, declarations: Self.caseOptions, owner: "a test", &diagnostics)
        guard let options = read else { return }
        guard let message = message(options, node, number, &diagnostics) else { return }
        var expectations: [(Expectation, String)] = []
        if let deliveries = options[Self.delivers] {
            expectations.append((.delivers(deliveries.map(Self.delivery(of:))), "delivers"))
        }
        if let drop = options[Self.drops] { expectations.append((.drops(by: drop.stage), "drops")) }
        if let letter = options[Self.deadLetters] {
            let expected = Expectation.deadLetters(stage: letter[Self.stage], reason: letter[Self.reason])
            expectations.append((expected, "dead-letters"))
        }
        if options[Self.expires] { expectations.append((.expires, "expires")) }
        guard expectations.count <= 1 else {
            diagnostics.error(
                "a test expects one of 'delivers', 'drops', 'dead-letters' and 'expires'", at: node.location)
            return
        }
        var keyLocation: SourceLocation?
        if case .map(let entries) = node.content, let (_, key) = expectations.first {
            keyLocation = entries.first { $0.key == key }?.keyLocation
        }
        cases.append(
            Case(
                name: options[Self.name] ?? "test \(number)", message: message,
                expected: expectations.first?.0 ?? .nothing, location: node.location, expectationLocation: keyLocation))
    }

    private static func delivery(of options: Options) -> DeliveryExpectation {
        DeliveryExpectation(
            body: options[body], contains: options[contains], text: options[bodyText],
            fields: deliveredFields.compactMap { field in options[field].map { (field.name, $0) } })
    }

    private func message(
        _ options: Options, _ node: ConfigNode, _ number: Int, _ diagnostics: inout Diagnostics
    ) -> Message? {
        let input = options[Self.input]
        let found: [[UInt8]?] = [
            input[Self.webhook]?.bytes, input[Self.anyJSON]?.bytes, input[Self.text].map { Array($0.utf8) },
            input[Self.base64].flatMap { Base64.decode($0) },
        ]
        let payloads = found.compactMap { $0 }
        var message: Message
        if let envelope = input[Self.sns], payloads.isEmpty {
            do {
                message = try Self.message(of: envelope, number, now)
            } catch {
                diagnostics.error("\(error)", at: node["input"]?.location)
                return nil
            }
        } else if payloads.count == 1, input[Self.sns] == nil {
            message = Message(
                id: "test-\(number)", payload: Bytes(payloads[0]), publishedAt: now, receivedAt: now)
        } else {
            diagnostics.error(
                "an input is one of 'webhook', 'json', 'text', 'base64' and 'sns'", at: node["input"]?.location)
            return nil
        }
        if let id = options[Self.id] { message.id = id }
        let bytes = message.payload.bytes(at: now)
        message.key = options[Self.key] ?? (try? FieldPath("config.url")?.text(in: bytes)) ?? nil ?? message.id
        if let topic = options[Self.topic] { message.topic = topic }
        message.attributes.merge(options[Self.attributes]) { $1 }
        if let published = options[Self.publishedAt] { message.publishedAt = published }
        return message
    }

    /// Returns the message in an SNS envelope, which may be incomplete and whose `Message` may be JSON.
    private static func message(of envelope: JSONTree, _ number: Int, _ now: Timestamp) throws -> Message {
        var envelope = envelope
        for (name, value) in [
            ("Type", "Notification"), ("MessageId", "test-\(number)"),
            ("TopicArn", "arn:aws:sns:us-east-1:000000000000:test"), ("Timestamp", RFC3339.format(now)),
        ] where envelope[name] == nil {
            _ = envelope.set(.string(value), at: [name])
        }
        if let message = envelope["Message"], message.text == nil {
            _ = envelope.set(.string(message.bytes.text), at: ["Message"])
        }
        let read = try SNSEnvelope(json: envelope.bytes)
        return Message(
            id: read.messageID, payload: Bytes(Array(read.message.utf8)), topic: read.topicARN,
            attributes: read.attributes, publishedAt: RFC3339.parse(read.timestamp)?.timestamp, receivedAt: now)
    }
}
