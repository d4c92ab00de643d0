import Glibc
import Locking
import PipelineKit

/// Lists and tables that are kept in files beside a pipeline's. They are read when the pipeline file is, so also at SIGHUP.
enum ListFile {
    /// The largest file that is read.
    private static let maximumBytes = 64 << 20

    /// The lines of a file: blank ones and those that begin with `#` left out, white space at both ends too.
    ///
    /// - Parameter node: the path as it is written; a relative one is seen from the file in which it stands.
    /// - Returns: nil after noting why not.
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

    static let file = Option("file", .path, help: "a file with one entry a line, seen from the file that names it")

    /// One or several texts, and `{file: PATH}` for those that stand in a file; numbers and booleans count as they are written.
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
            diagnostics.error("text or {file: ...} is expected here, \(node.kindName) stands here", at: node.location)
            return nil
        }
    }
}
