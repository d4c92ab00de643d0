/// A location in a YAML text.
public struct YAMLMark: Hashable, Sendable {
    /// The line, starting at 1.
    public var line: Int
    /// The column in characters, starting at 1.
    public var column: Int
    /// The length on that line in characters, at least 1.
    public var length: Int

    public init(line: Int, column: Int, length: Int = 1) {
        self.line = line
        self.column = column
        self.length = max(1, length)
    }
}

/// A value of a YAML document with its location. Aliases and merge keys are resolved, with the location of their use.
public struct YAMLNode: Sendable {
    public indirect enum Content: Sendable {
        /// A scalar as it was written; see `resolved` for its meaning.
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// A mapping with unique keys.
        case mapping([Member])
    }

    /// A member of a mapping.
    public struct Member: Sendable {
        public var key: String
        /// The location of the key.
        public var keyMark: YAMLMark
        public var value: YAMLNode
    }

    public var content: Content
    /// The location of the beginning.
    public var mark: YAMLMark
}

/// An unresolved scalar.
public struct YAMLScalar: Sendable, Equatable {
    /// The text with escapes resolved.
    public var text: String
    /// Whether it was written without quotes and tag, so that its text determines its type.
    public var isPlain: Bool

    public init(text: String, isPlain: Bool) {
        self.text = text
        self.isPlain = isPlain
    }

    /// The resolved value of a scalar.
    public enum Value: Sendable, Equatable {
        case null
        case bool(Bool)
        /// A 64-bit integer.
        case int(Int)
        /// Any other number.
        case double(Double)
        case string(String)
    }

    /// The value in YAML 1.2's core schema (section 10.3.2): `yes`, `no`, `on`, `off` and `0777` are not special.
    public var resolved: Value {
        guard isPlain else { return .string(text) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".nan", ".NaN", ".NAN": return .double(.nan)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .double(.infinity)
        case "-.inf", "-.Inf", "-.INF": return .double(-.infinity)
        default: return number ?? .string(text)
        }
    }

    private var number: Value? {
        guard let first = text.utf8.first, first < 0x3a, text.utf8.count <= 64 else { return nil }
        for (prefix, radix) in [("0o", 8), ("0x", 16)] where text.hasPrefix(prefix) {
            let digits = text.dropFirst(2)
            guard digits.first != "+", digits.first != "-" else { return nil }
            return Int(digits, radix: radix).map { .int($0) }
        }
        if let value = Int(text) { return .int(value) }
        // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
        var rest = Substring(text)
        if rest.first == "-" || rest.first == "+" { rest.removeFirst() }
        let whole = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(whole.count)
        var fraction = Substring()
        if rest.first == "." {
            fraction = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(fraction.count + 1)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { return nil }
        if rest.first == "e" || rest.first == "E" {
            rest.removeFirst()
            if rest.first == "-" || rest.first == "+" { rest.removeFirst() }
            guard !rest.isEmpty, rest.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            rest = ""
        }
        guard rest.isEmpty else { return nil }
        return Double(text.hasSuffix(".") ? text + "0" : text).map { .double($0) }
    }
}

/// An error in a YAML text, with its location.
public struct YAMLError: Error, Equatable, Sendable {
    /// The message without a full stop.
    public var message: String
    public var mark: YAMLMark
}
