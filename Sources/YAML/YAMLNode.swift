/// A place in a YAML text.
public struct YAMLMark: Hashable, Sendable {
    /// The line, from 1.
    public var line: Int
    /// The column in characters, from 1.
    public var column: Int
    /// How many characters the thing takes on that line, at least 1.
    public var length: Int

    /// A place.
    public init(line: Int, column: Int, length: Int = 1) {
        self.line = line
        self.column = column
        self.length = max(1, length)
    }
}

/// A value of a YAML document that knows where it stands. Aliases and merge keys have been resolved: what they stand for
/// is in their place, with the mark of where it is written.
public struct YAMLNode: Sendable {
    /// A value.
    public indirect enum Content: Sendable {
        /// A scalar as it is written; what it means is for `resolved` to say.
        case scalar(YAMLScalar)
        /// A sequence.
        case sequence([YAMLNode])
        /// A mapping; no key occurs twice.
        case mapping([Member])
    }

    /// A member of a mapping.
    public struct Member: Sendable {
        /// The key's text.
        public var key: String
        /// Where the key stands.
        public var keyMark: YAMLMark
        /// The value.
        public var value: YAMLNode
    }

    /// The value.
    public var content: Content
    /// Where it begins.
    public var mark: YAMLMark
}

/// A scalar that has not been given a meaning yet.
public struct YAMLScalar: Sendable, Equatable {
    /// The text, escapes resolved.
    public var text: String
    /// Whether the text is written without quotation marks and without a tag, so that its looks decide on its type.
    public var isPlain: Bool

    /// A scalar.
    public init(text: String, isPlain: Bool) {
        self.text = text
        self.isPlain = isPlain
    }

    /// What a scalar can mean.
    public enum Value: Sendable, Equatable {
        /// Nothing.
        case null
        /// A boolean.
        case bool(Bool)
        /// An integer of 64 bits.
        case int(Int)
        /// Any other number.
        case double(Double)
        /// Text.
        case string(String)
    }

    /// The meaning by the core schema of YAML 1.2 (section 10.3.2): `yes`, `no`, `on`, `off` and `0777` are not special.
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

/// What is wrong with a YAML text, and where.
public struct YAMLError: Error, Equatable, Sendable {
    /// The message, without a full stop.
    public var message: String
    /// Where.
    public var mark: YAMLMark
}
