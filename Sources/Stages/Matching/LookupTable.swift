import PipelineKit
import Wire

/// A table that maps the value of a field to values.
struct LookupTable: Sendable {
    private enum KeyKind: String, CaseIterable, Sendable {
        case value, host
    }

    private static let field = Option("field", .reference, help: "what is looked up, such as config.url")
    private static let by = Option(
        "by", OptionType<KeyKind>.choice, default: .value, shown: "value",
        help: "whether the value is looked up, or the host of the URL in it (*.example.net for all below it)"
    )
    private static let file = Option(
        optional: "file",
        OptionType<[Substring]>("path", shape: .text) { node, diagnostics in ListFile.lines(node, &diagnostics) },
        help: "a file with KEY,VALUE on each line; relative to the file that names it")
    private static let table = Option(
        optional: "table", .dictionary(of: .list(of: .string)), help: "keys and their values")
    static let options: [any OptionDeclaration] = [field, by, file, table]

    private let reference: FieldReference
    private let keyKind: KeyKind
    private let rows: [String: [String]]

    init(_ options: Options, isList: Bool) throws {
        reference = options[Self.field]
        keyKind = options[Self.by]
        var rows = options[Self.table] ?? [:]
        guard options[Self.table] != nil || options[Self.file] != nil else {
            throw OptionError("a lookup needs a 'file' or a 'table'")
        }
        for line in options[Self.file] ?? [] {
            let parts = line.split(separator: ",", maxSplits: 1).map {
                String($0.trimmingPrefix(while: \.isWhitespace))
            }
            // An owner may contain a comma; partners are separated by commas.
            let values = parts.dropFirst().flatMap { text in
                isList
                    ? text.split(separator: ",", omittingEmptySubsequences: false)
                        .map { String($0.trimmingPrefix(while: \.isWhitespace)) } : [text]
            }
            guard parts.count == 2, line.first != ",", values.allSatisfy({ !$0.isEmpty }) else {
                throw OptionError("'\(line.prefix(80))' in the lookup's file is no line such as KEY,VALUE")
            }
            let key = parts[0]
            guard rows[key] == nil else { throw OptionError("'\(key)' is in the lookup twice") }
            rows[key] = values
        }
        if !isList, let bad = rows.first(where: { $0.value.count != 1 }) {
            throw OptionError("'\(bad.key)' has several values in the lookup")
        }
        self.rows = keyKind == .host ? Dictionary(rows.map { ($0.key.lowercased(), $0.value) }) { $1 } : rows
    }

    /// Looks a message up; nil if the table has no row for it.
    func values(for record: RecordView) throws -> [String]? {
        guard case .text(let text)? = try record.value(of: reference) else { return nil }
        guard keyKind == .host else { return rows[text] }
        guard let host = HostName(url: text) else { return nil }
        if let values = rows[host.name] { return values }
        // The nearest parent domain wins.
        for parent in host.parents { if let values = rows["*.\(host.text(of: parent))"] { return values } }
        return rows["*"]
    }
}
