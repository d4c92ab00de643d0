import Locking

/// Replaces `${...}` in the texts of a file: `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:PATH}`; `$$` is a
/// dollar.
public struct Substitution: Sendable {
    /// Why a text cannot be replaced. Never holds a value.
    public struct Failure: Error {
        public let message: String
    }

    /// The maximum size of a file for `${file:...}`.
    static let maximumFileBytes = 64 << 10

    /// Returns the value of a variable; nil if it is not set.
    let variable: (@Sendable (String) -> String?)?
    /// Returns the text of a file.
    let file: (@Sendable (String) throws -> String)?

    /// Replaces nothing.
    public static let none = Substitution(variable: nil, file: nil)

    /// Uses the process's environment and the file system.
    public static let system = Substitution(
        variable: { environment($0) },
        file: { path in
            let bytes = try OpenFile(reading: path).readBeginning(maximumFileBytes + 1)
            guard bytes.count <= maximumFileBytes else {
                throw Failure(message: "the file '\(path)' is larger than \(maximumFileBytes) bytes")
            }
            // A final line end belongs to the file, not to the value.
            var text = Substring(String(decoding: bytes, as: UTF8.self))
            while text.last?.isNewline == true { text.removeLast() }
            return String(text)
        })

    /// Returns a substitution with overrides for some variables and files (by path as written).
    public func overridden(variables: [String: String], files: [String: String]) -> Substitution {
        Substitution(
            variable: { variables[$0] ?? variable?($0) },
            file: { path in
                if let text = files[path] { return text }
                guard let file else { throw Failure(message: "the file '\(path)' cannot be read") }
                return try file(path)
            })
    }

    /// Replaces everything in a text once; replaced values are not parsed again.
    public func apply(to text: String) throws(Failure) -> String {
        guard let variable, let file, text.utf8.contains(UInt8(ascii: "$")) else { return text }
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            switch rest.first {
            case "$":
                result.append("$")
                rest.removeFirst()
            case "{":
                guard let end = rest.firstIndex(of: "}") else { throw Failure(message: "'${' without its '}'") }
                result += try Self.value(of: rest[rest.index(after: rest.startIndex)..<end], variable, file)
                rest = rest[rest.index(after: end)...]
            default: result.append("$")
            }
        }
        return result + rest
    }

    private static func value(
        of expression: Substring, _ variable: (String) -> String?, _ file: (String) throws -> String
    ) throws(Failure) -> String {
        if expression.hasPrefix("file:") {
            let path = String(expression.dropFirst(5))
            do {
                return try file(path)
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure(message: "the file '\(path)' cannot be read")
            }
        }
        let name = expression.prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) }
        let operation = expression.dropFirst(name.count)
        guard !name.isEmpty, name.first?.isNumber == false else {
            throw Failure(
                message:
                    "'${\(expression)}' is malformed; write ${VAR}, ${VAR:-default}, ${VAR:?message} or ${file:PATH}")
        }
        let value = variable(String(name))
        switch operation.prefix(2) {
        case "":
            guard let value else {
                throw Failure(
                    message: "the environment variable \(name) is not set; set it or write ${\(name):-default}")
            }
            return value
        case ":-": return value.flatMap { $0.isEmpty ? nil : $0 } ?? String(operation.dropFirst(2))
        case ":?":
            guard let value, !value.isEmpty else {
                throw Failure(message: "the environment variable \(name) is not set: \(operation.dropFirst(2))")
            }
            return value
        default:
            throw Failure(
                message:
                    "'${\(expression)}' is malformed; write ${VAR}, ${VAR:-default}, ${VAR:?message} or ${file:PATH}")
        }
    }
}
