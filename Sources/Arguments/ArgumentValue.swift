/// What an argument or the value of an option can be.
public protocol ArgumentValue: Sendable {
    /// The value that a word of the command line stands for; nil where it stands for none.
    init?(argument: String)

    /// The value as it would be written.
    var argumentText: String { get }

    /// All that can be written, where that is a list; else empty.
    static var argumentValues: [String] { get }
}

extension ArgumentValue {
    /// As it describes itself.
    public var argumentText: String { "\(self)" }
    /// No list.
    public static var argumentValues: [String] { [] }
}

extension ArgumentValue where Self: RawRepresentable, RawValue == String {
    /// The case of a name.
    public init?(argument: String) { self.init(rawValue: argument) }
    /// The case's name.
    public var argumentText: String { rawValue }
}

extension ArgumentValue where Self: CaseIterable & RawRepresentable, RawValue == String {
    /// The names of all cases.
    public static var argumentValues: [String] { allCases.map(\.rawValue) }
}

extension String: ArgumentValue {
    /// The word itself.
    public init?(argument: String) { self = argument }
}

extension ArgumentValue where Self: LosslessStringConvertible {
    /// The value that Swift writes like that.
    public init?(argument: String) { self.init(argument) }
}

extension Int: ArgumentValue {}
extension Int32: ArgumentValue {}
extension Int64: ArgumentValue {}
extension Double: ArgumentValue {}

/// How the value of an option, or an argument, is completed by a shell.
public enum Completion: Sendable, Equatable {
    /// Among the values that there are, if that is a list.
    case values
    /// Files, with one of these extensions if any are named, and folders.
    case file(extensions: [String] = [])
    /// Folders.
    case directory
}

/// The text that help shows for an argument.
public struct ArgumentHelp: Sendable, ExpressibleByStringLiteral {
    let text: String
    let valueName: String?

    /// A text, and what the value is called in it; by default as the option is.
    public init(_ text: String, valueName: String? = nil) {
        self.text = text
        self.valueName = valueName
    }

    /// A text.
    public init(stringLiteral text: String) { self.init(text) }
}

/// What an option is called.
public enum ArgumentName: Sendable {
    /// As its property is: `logLevel` is `--log-level`.
    case long
    /// As its property is, and by the first letter of that.
    case shortAndLong
    /// By this name, which is without dashes.
    case customLong(String)

    func names(of property: String) -> [String] {
        let word = Self.kebab(property)
        return switch self {
        case .long: ["--\(word)"]
        case .shortAndLong: ["-\(word.prefix(1))", "--\(word)"]
        case .customLong(let name): ["--\(name)"]
        }
    }

    /// `longestTTL` is `longest-ttl`, `byOwner` is `by-owner`.
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
