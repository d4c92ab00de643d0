/// A type of arguments and option values.
public protocol ArgumentValue: Sendable {
    /// Parses a word of the command line; nil if it is invalid.
    init?(argument: String)

    /// The value as a user would write it.
    var argumentText: String { get }

    /// All possible values, if there is a list; else empty.
    static var argumentValues: [String] { get }
}

extension ArgumentValue {
    public var argumentText: String { "\(self)" }
    public static var argumentValues: [String] { [] }
}

extension ArgumentValue where Self: RawRepresentable, RawValue == String {
    public init?(argument: String) { self.init(rawValue: argument) }
    public var argumentText: String { rawValue }
}

extension ArgumentValue where Self: CaseIterable & RawRepresentable, RawValue == String {
    public static var argumentValues: [String] { allCases.map(\.rawValue) }
}

extension String: ArgumentValue {
    public init?(argument: String) { self = argument }
}

extension ArgumentValue where Self: LosslessStringConvertible {
    /// Parses Swift's text format.
    public init?(argument: String) { self.init(argument) }
}

extension Int: ArgumentValue {}
extension Int32: ArgumentValue {}
extension Int64: ArgumentValue {}
extension Double: ArgumentValue {}

/// How a shell completes a value.
public enum Completion: Sendable, Equatable {
    /// With the possible values, if there is a list.
    case values
    /// With files, optionally with these extensions, and folders.
    case file(extensions: [String] = [])
    /// With folders.
    case directory
}

/// The help of an argument.
public struct ArgumentHelp: Sendable, ExpressibleByStringLiteral {
    let text: String
    let valueName: String?

    /// Makes a help text, with a name for the value; by default the name of the option.
    public init(_ text: String, valueName: String? = nil) {
        self.text = text
        self.valueName = valueName
    }

    public init(stringLiteral text: String) { self.init(text) }
}

/// The name of an option.
public enum ArgumentName: Sendable {
    /// The name of the property: `logLevel` becomes `--log-level`.
    case long
    /// The name of the property, and its first letter.
    case shortAndLong
    /// This name, given without dashes.
    case customLong(String)

    func names(of property: String) -> [String] {
        let word = Self.kebab(property)
        return switch self {
        case .long: ["--\(word)"]
        case .shortAndLong: ["-\(word.prefix(1))", "--\(word)"]
        case .customLong(let name): ["--\(name)"]
        }
    }

    /// Converts `longestTTL` to `longest-ttl`, `byOwner` to `by-owner`.
    static func kebab(_ property: String) -> String {
        let letters = Array(property)
        var word = ""
        for (index, letter) in letters.enumerated() {
            if letter.isUppercase, index > 0 {
                let endsAcronym = index + 1 < letters.count && letters[index + 1].isLowercase
                if !letters[index - 1].isUppercase || endsAcronym { word += "-" }
            }
            word += letter.lowercased()
        }
        return word
    }
}
