import AWS
import PipelineKit
import Wire

/// A text with placeholders that a message fills: `{config.url}`, `{attributes.NAME}`, `{metadata.key}`, with
/// `{config.url|host}` for a part of a value and `{field:-default}` for a default; `{{` and `}}` are braces.
struct TemplateText: Sendable {
    /// How a value is transformed.
    enum Modifier: String, CaseIterable, Sendable {
        case host, lower, upper, json, urlencode
    }

    private struct Placeholder: Sendable {
        let reference: FieldReference
        let modifiers: [Modifier]
        let fallback: String?
        let written: String
    }

    private enum Part: Sendable {
        case text(String)
        case placeholder(Placeholder)
    }

    private var parts: [Part] = []

    /// Parses a template.
    ///
    /// - Throws: `OptionError` for a malformed placeholder.
    init(_ text: String) throws {
        let (opening, closing) = (UInt8(ascii: "{"), UInt8(ascii: "}"))
        var rest = text.utf8[...]
        var plain: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == opening || byte == closing, rest.first == byte {
                plain.append(byte)
                rest.removeFirst()
            } else if byte == opening {
                guard let end = rest.firstIndex(of: closing) else {
                    throw OptionError("'{' without its '}' in '\(text)'")
                }
                if !plain.isEmpty { parts.append(.text(plain.text)) }
                plain = []
                parts.append(.placeholder(try Self.placeholder(rest[..<end])))
                rest = rest[rest.index(after: end)...]
            } else if byte == closing {
                throw OptionError("'}' without its '{' in '\(text)'; write '}}' for a brace")
            } else {
                plain.append(byte)
            }
        }
        if !plain.isEmpty { parts.append(.text(plain.text)) }
    }

    private static func placeholder(_ bytes: Substring.UTF8View) throws -> Placeholder {
        let text = String(Substring(bytes))
        var path = text.utf8[...]
        var fallback: String?
        let mark = path.indices.first { path[$0...].starts(with: ":-".utf8) }
        if let mark {
            fallback = String(Substring(path[mark...].dropFirst(2)))
            path = path[..<mark]
        }
        let pieces = path.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        guard let reference = FieldReference(pieces[0]) else {
            throw OptionError(
                "'{\(text)}' is no placeholder such as {config.url}, {config.url|host}, {attributes.NAME} or {metadata.key}"
            )
        }
        let modifiers = try pieces.dropFirst().map { name in
            guard let modifier = Modifier(rawValue: name) else {
                let all = Modifier.allCases.map(\.rawValue)
                throw OptionError(
                    "'\(name)' is none of \(all.joined(separator: ", "))\(suggestion(for: name, among: all))")
            }
            return modifier
        }
        return Placeholder(reference: reference, modifiers: modifiers, fallback: fallback, written: text)
    }

    /// Whether there are no placeholders.
    var isConstant: Bool { constant != nil }

    /// The text, if there are no placeholders.
    var constant: String? {
        switch parts.count {
        case 0: return ""
        case 1: if case .text(let text) = parts[0] { return text }
        default: break
        }
        return nil
    }

    /// Returns the text with `value` in all placeholders.
    func filled(with value: String) -> String {
        parts.map { if case .text(let text) = $0 { text } else { value } }.joined()
    }

    /// The text before the first placeholder.
    var beginning: String { if case .text(let text)? = parts.first { text } else { "" } }

    /// Fills the template; nil if a value without a default is missing.
    ///
    /// - Parameter escape: applied to each value.
    func filled(_ record: RecordView, escape: (String) -> String = { $0 }) throws -> String? {
        if let constant { return constant }
        var output = ""
        for part in parts {
            switch part {
            case .text(let text): output += text
            case .placeholder(let placeholder):
                guard let value = try Self.value(of: placeholder, record) else { return nil }
                output += escape(value)
            }
        }
        return output
    }

    /// Fills the template.
    ///
    /// - Throws: `StageError` if a value without a default is missing.
    func text(_ record: RecordView, escape: (String) -> String = { $0 }) throws -> String {
        if let text = try filled(record, escape: escape) { return text }
        for case .placeholder(let placeholder) in parts where try Self.value(of: placeholder, record) == nil {
            throw StageError("the message has no '\(placeholder.written)'")
        }
        throw StageError("the message lacks a value for a template")
    }

    private static func value(of placeholder: Placeholder, _ record: RecordView) throws -> String? {
        var value: String? =
            switch try record.value(of: placeholder.reference) {
            case .text(let text): text
            case .list(let texts): texts.joined(separator: ",")
            case .object, nil: nil
            }
        for modifier in placeholder.modifiers { value = value.flatMap { apply(modifier, $0) } }
        return value ?? placeholder.fallback
    }

    private static func apply(_ modifier: Modifier, _ text: String) -> String? {
        switch modifier {
        case .host: URLHost.of(text)
        case .lower: text.lowercased()
        case .upper: text.uppercased()
        case .json: JSONWriter.quoted(text)
        case .urlencode: FormEncoding.encode(text)
        }
    }
}

extension OptionType where Value == TemplateText {
    /// Text that may have placeholders.
    static let template = OptionType<String>.text.map(named: "template") { try TemplateText($0) }
}
