import Glibc
import Locking
import PipelineKit

/// Reads lists and tables from files next to a pipeline file. They are read with the pipeline file, so also at SIGHUP.
enum ListFile {
    /// The maximum size of a file.
    private static let maximumBytes = 64 << 20

    /// Returns the lines of a file without blank lines, lines that begin with `#`, and white space at both ends.
    ///
    /// - Parameter node: the path; a relative one is resolved against the file in which it is written.
    /// - Returns: nil after adding a diagnostic.
    static func lines(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> [Substring]? {
        guard let name = OptionType<String>.path.value(of: node, &diagnostics) else { return nil }
        let path = path(name, relativeTo: node.location.file)
        let bytes: [UInt8]
        do {
            bytes = try Files.read(path, atMost: maximumBytes)
        } catch let error as SystemError where error.code == EFBIG {
            diagnostics.error("the file '\(path)' is larger than \(maximumBytes >> 20) MiB", at: node.location)
            return nil
        } catch {
            diagnostics.error("the file '\(path)' cannot be read", at: node.location)
            return nil
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            diagnostics.error("the file '\(path)' is not UTF-8", at: node.location)
            return nil
        }
        return text.split(whereSeparator: \.isNewline)
            .map { $0.trimmingPrefix(while: \.isWhitespace) }
            .map { line in
                let end = line.lastIndex { !$0.isWhitespace }
                return end.map { line[...$0] } ?? ""
            }
            .filter { !$0.isEmpty && $0.first != "#" }
    }

    private static func path(_ path: String, relativeTo file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return file[...slash] + path
    }

    static let file = Option("file", .path, help: "a file with one entry per line; relative to the file that names it")

    /// One or several texts, or `{file: PATH}` to read them from a file. Numbers and booleans are taken literally.
    static let texts = OptionType<[String]>(
        "texts, {file: ...}",
        shape: .list(.oneOf([.text, .integer(.min ... .max), .boolean, .group([file])]))
    ) { node, diagnostics in
        let nodes: [ConfigNode] = if case .list(let nodes) = node.content { nodes } else { [node] }
        var result: [String] = []
        var isValid = true
        for node in nodes {
            if let texts = texts(of: node, &diagnostics) { result += texts } else { isValid = false }
        }
        return isValid ? result : nil
    }

    private static func texts(of node: ConfigNode, _ diagnostics: inout Diagnostics) -> [String]? {
        switch node.content {
        case .string(let text): return [text]
        case .int(let value): return [String(value)]
        case .bool(let value): return [String(value)]
        case .map:
            let read = Options.read(node, declarations: [file], owner: "a list in a file", &diagnostics)
            guard read != nil, let path = node["file"] else { return nil }
            return lines(path, &diagnostics)?.map(String.init)
        default:
            diagnostics.error("expected text or {file: ...}, found \(node.kindName)", at: node.location)
            return nil
        }
    }
}
