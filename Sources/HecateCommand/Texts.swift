import Glibc
import Locking

extension String {
    /// Returns the text padded with spaces to a width in characters.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// Returns the text with scalars replaced, even in combined characters.
    func replacing(_ replacements: [Unicode.Scalar: String]) -> String {
        unicodeScalars.map { replacements[$0] ?? String($0) }.joined()
    }

    /// The text without spaces, tabs and carriage returns at both ends.
    var trimmed: String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
        var bytes = Substring(self).utf8
        bytes = bytes.drop(while: isBlank)
        while let last = bytes.last, isBlank(last) { bytes = bytes.dropLast() }
        return String(Substring(bytes))
    }

    /// The text with XML's special characters escaped.
    var escapedForXML: String { replacing(["&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;"]) }
}

extension Files {
    /// Reads a file as text.
    ///
    /// - Throws: also if it is not UTF-8.
    static func text(_ path: String) throws -> String {
        guard let text = String(validating: try read(path), as: UTF8.self) else {
            throw SystemError(code: EILSEQ, path: path)
        }
        return text
    }

    /// Replaces the content of a user's file. Keeps its permissions and follows a link.
    static func rewrite(_ path: String, _ text: String) throws {
        var status = stat()
        guard let target = realpath(path, nil) else { throw SystemError(path: path) }
        defer { free(target) }
        guard stat(target, &status) == 0 else { throw SystemError(path: path) }
        let real = String(cString: target)
        try replace(real, with: Array(text.utf8), mode: status.st_mode & 0o7777)
        // Restores the permissions that the umask removed.
        guard chmod(real, status.st_mode & 0o7777) == 0 else { throw SystemError(path: path) }
    }

    /// Returns the absolute path without `.` and `..`. Does not resolve links.
    static func absolute(_ path: String) -> String {
        var folder = ""
        if !path.hasPrefix("/"), let current = getcwd(nil, 0) {
            folder = String(cString: current)
            free(current)
        }
        var parts: [Substring] = []
        for part in "\(folder)/\(path)".split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
