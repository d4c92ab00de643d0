import Glibc

/// Returns an environment variable; nil if it is not set.
public func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// All environment variables. Of duplicates the first wins, as for `getenv`.
public var environmentVariables: [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
        let text = String(cString: entry)
        if let mark = text.utf8.firstIndex(of: UInt8(ascii: "=")) {
            let name = String(text[..<mark])
            if variables[name] == nil { variables[name] = String(text[text.utf8.index(after: mark)...]) }
        }
        next += 1
    }
    return variables
}
