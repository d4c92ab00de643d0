import Wire

/// The type of an option: parses its value and describes it for documentation and redaction.
public struct OptionType<Value: Sendable>: Sendable {
    /// The name in documentation and messages, such as `duration`.
    public let name: String
    /// Whether the value must never be shown.
    public let isSecret: Bool
    /// The members, if the value is a group of options.
    public let members: [any OptionDeclaration]
    /// The shape of the value, for the JSON Schema.
    public let shape: OptionShape
    /// Parses a value. Returns nil after adding a diagnostic.
    let read: @Sendable (ConfigNode, inout Diagnostics) -> Value?

    /// Makes a custom type. `read` returns nil after adding a diagnostic at the node's location.
    public init(
        _ name: String, isSecret: Bool = false, members: [any OptionDeclaration] = [], shape: OptionShape = .any,
        read: @escaping @Sendable (ConfigNode, inout Diagnostics) -> Value?
    ) {
        self.name = name
        self.isSecret = isSecret
        self.members = members
        self.shape = shape
        // The reader of the file has already reported a value with a problem.
        self.read = { node, diagnostics in node.problem == nil ? read(node, &diagnostics) : nil }
    }

    /// Parses a value. Returns nil after adding a diagnostic.
    public func value(of node: ConfigNode, _ diagnostics: inout Diagnostics) -> Value? { read(node, &diagnostics) }

    /// Derives a type. `convert` throws an `OptionError` for a value that does not fit.
    public func map<Other>(
        named name: String? = nil, shape: OptionShape? = nil, _ convert: @escaping @Sendable (Value) throws -> Other
    ) -> OptionType<Other> {
        OptionType<Other>(
            name ?? self.name, isSecret: isSecret, members: members, shape: shape ?? self.shape
        ) { node, diagnostics in
            guard let value = read(node, &diagnostics) else { return nil }
            do {
                return try convert(value)
            } catch {
                diagnostics.error("\(error)", at: (error as? OptionError)?.location ?? node.location)
                return nil
            }
        }
    }
}

extension OptionType {
    private static func mismatch(_ expected: String, _ node: ConfigNode, _ diagnostics: inout Diagnostics) -> Value? {
        diagnostics.error("expected \(expected), found \(node.kindName)", at: node.location)
        return nil
    }
}

extension OptionType where Value == String {
    /// Text that is not empty. Numbers and booleans must be quoted.
    public static let string = OptionType("string", shape: .text) { node, diagnostics in
        guard case .string(let text) = node.content else {
            let hint: String
            switch node.content {
            case .int, .double, .bool: hint = "text (in quotation marks)"
            default: hint = "text"
            }
            return mismatch(hint, node, &diagnostics)
        }
        guard !text.isEmpty else { return mismatch("text that is not empty", node, &diagnostics) }
        return text
    }

    /// Text that may be empty.
    public static let text = OptionType("string", shape: .text) { node, diagnostics in
        guard case .string(let text) = node.content else { return mismatch("text", node, &diagnostics) }
        return text
    }

    /// The path of a file, relative to the working directory.
    public static let path = OptionType<String>.string.map(named: "path") { $0 }
}

extension OptionType where Value == Secret {
    /// Text that is never shown. Best given as `${VARIABLE}` or `${file:PATH}`.
    public static let secret = OptionType("secret", isSecret: true, shape: .text) { node, diagnostics in
        guard case .string(let text) = node.content, !text.isEmpty else {
            diagnostics.error(
                "expected a secret: text that is not empty, in quotation marks", at: node.location)
            return nil
        }
        return Secret(text)
    }
}

extension OptionType where Value == Bool {
    public static let bool = OptionType("boolean", shape: .boolean) { node, diagnostics in
        guard case .bool(let value) = node.content else { return mismatch("true or false", node, &diagnostics) }
        return value
    }
}

extension OptionType where Value == Int {
    /// An integer in a range.
    public static func int(_ range: ClosedRange<Int> = .min ... .max) -> OptionType {
        OptionType("integer", shape: .integer(range)) { node, diagnostics in
            guard case .int(let value) = node.content else { return mismatch("an integer", node, &diagnostics) }
            guard range.contains(value) else {
                let bound = value < range.lowerBound ? "at least \(range.lowerBound)" : "at most \(range.upperBound)"
                diagnostics.error("\(value) is out of range: \(bound) is expected", at: node.location)
                return nil
            }
            return value
        }
    }

    /// A number of bytes: an integer, or text with a unit (`64kB`, `1MiB`).
    public static let byteCount = OptionType(
        "size", shape: .oneOf([.integer(1 ... .max), .pattern("^[0-9]+ ?(B|[kMG]B|[KMG]iB)$")])
    ) { node, diagnostics in
        if case .int(let value) = node.content, value > 0 { return value }
        let units = [
            "B": 1, "kB": 1000, "KiB": 1024, "MB": 1_000_000, "MiB": 1 << 20, "GB": 1_000_000_000, "GiB": 1 << 30,
        ]
        if case .string(let text) = node.content {
            let digits = text.prefix { $0.isASCII && $0.isNumber }
            let unit = text.dropFirst(digits.count).drop { $0 == " " }
            if let number = Int(digits), number > 0, let factor = units[String(unit)] {
                let (product, overflow) = number.multipliedReportingOverflow(by: factor)
                if !overflow { return product }
            }
        }
        return mismatch("a size such as 65536, 64KiB or 1MiB", node, &diagnostics)
    }
}

extension OptionType where Value == Double {
    /// A number in a range.
    public static func number(_ range: ClosedRange<Double>) -> OptionType {
        OptionType("number", shape: .number(range)) { node, diagnostics in
            let value: Double
            switch node.content {
            case .int(let integer): value = Double(integer)
            case .double(let number): value = number
            default: return mismatch("a number", node, &diagnostics)
            }
            guard range.contains(value) else {
                diagnostics.error(
                    "\(value) is out of range: a number from \(range.lowerBound) to \(range.upperBound) is expected",
                    at: node.location)
                return nil
            }
            return value
        }
    }
}

extension OptionType where Value == Duration {
    /// A duration with a unit: `250ms`, `10s`, `1h30m`. Never negative.
    public static let duration = OptionType(
        "duration",
        shape: .oneOf([.integer(0...0), .pattern(#"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"#)])
    ) { node, diagnostics in
        if case .string(let text) = node.content, let value = GoDuration.parse(text), value >= .zero { return value }
        if case .int(0) = node.content { return .zero }
        if case .int(let number) = node.content {
            diagnostics.error("a duration needs a unit, as in \(number)s or \(number)ms", at: node.location)
            return nil
        }
        return mismatch("a duration such as 250ms, 10s or 1h30m", node, &diagnostics)
    }
}

extension OptionType where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// A case of an enumeration, by its raw value.
    public static var choice: OptionType {
        let names = Value.allCases.map(\.rawValue)
        return OptionType(names.joined(separator: " | "), shape: .choice(names)) { node, diagnostics in
            if case .string(let text) = node.content {
                if let value = Value(rawValue: text) { return value }
                diagnostics.error(
                    "'\(text)' is none of \(names.joined(separator: ", "))\(suggestion(for: text, among: names))",
                    at: node.location)
                return nil
            }
            return mismatch("one of \(names.joined(separator: ", "))", node, &diagnostics)
        }
    }
}

extension OptionType {
    /// A list, or a single value in place of a list of one.
    public static func list<Element>(of element: OptionType<Element>) -> OptionType where Value == [Element] {
        OptionType(
            "list of \(element.name)", isSecret: element.isSecret, members: element.members,
            shape: .list(element.shape)
        ) { node, diagnostics in
            guard case .list(let nodes) = node.content else {
                return element.read(node, &diagnostics).map { [$0] }
            }
            let values = nodes.map { element.read($0, &diagnostics) }
            return values.contains { $0 == nil } ? nil : values.compactMap { $0 }
        }
    }

    /// A map from any key to values of one type.
    public static func dictionary<Element>(
        of element: OptionType<Element>
    ) -> OptionType where Value == [String: Element] {
        OptionType(
            "map of \(element.name)", isSecret: element.isSecret, shape: .map(element.shape)
        ) { node, diagnostics in
            guard case .map(let entries) = node.content else { return mismatch("a map", node, &diagnostics) }
            var result: [String: Element] = [:]
            for entry in entries {
                guard let value = element.read(entry.value, &diagnostics) else { continue }
                result[entry.key] = value
            }
            return result.count == entries.count ? result : nil
        }
    }
}

extension OptionType where Value == Options {
    /// A map of declared options. `owner` names it in messages, as in `ttl of argus-item`.
    public static func group(_ owner: String, _ members: [any OptionDeclaration]) -> OptionType {
        OptionType("map", members: members, shape: .group(members)) { node, diagnostics in
            Options.read(node, declarations: members, owner: owner, &diagnostics)
        }
    }
}

extension OptionType where Value == PipelineSpec.StageSpec {
    /// A nested sink: a kind with its options, as `sink` of a pipeline is written, and an optional `name`.
    /// `StageContext.makeSink` makes it.
    public static let sink = OptionType("sink", shape: .stage(.sink)) { node, diagnostics in
        PipelineSpec.StageSpec.read(.sink, node, &diagnostics)
    }
}
