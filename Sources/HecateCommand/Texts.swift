import Glibc
import Locking

extension String {
    /// The text, filled up with spaces to so many characters.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// The text with these characters replaced, whatever they are combined with.
    func replacing(_ replacements: [Unicode.Scalar: String]) -> String {
        unicodeScalars.map { replacements[$0] ?? String($0) }.joined()
    }

    /// The text without spaces and tabs at its ends, and without the rest of a line end.
    var trimmed: String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
        var bytes = Substring(self).utf8
        bytes = bytes.drop(while: isBlank)
        while let last = bytes.last, isBlank(last) { bytes = bytes.dropLast() }
        return String(Substring(bytes))
    }

    /// The characters that mean something in XML, written so that they do not.
    var escapedForXML: String { replacing(["&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;"]) }
}

extension Files {
    /// The text of a file.
    ///
    /// - Throws: also where it is not UTF-8.
    static func text(_ path: String) throws -> String {
        guard let text = String(validating: try read(path), as: UTF8.self) else {
            throw SystemError(code: EILSEQ, path: path)
        }
        return text
    }

    /// Replaces the text of a file that a person keeps: who may do what with it stays, and a link goes on leading to it.
    static func rewrite(_ path: String, _ text: String) throws {
        var status = stat()
        guard let target = realpath(path, nil) else { throw SystemError(path: path) }
        defer { free(target) }
        guard stat(target, &status) == 0 else { throw SystemError(path: path) }
        let real = String(cString: target)
        try replace(real, with: Array(text.utf8), mode: status.st_mode & 0o7777)
        // What the process's mask took away.
        guard chmod(real, status.st_mode & 0o7777) == 0 else { throw SystemError(path: path) }
    }

    /// The path from the root, without `.` and `..`. Links are not looked at.
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
