import Foundation
import PipelineKit
import Wire

/// Something that is true or false of a record.
indirect enum Condition: Sendable {
    case field(FieldPath, Test)
    case all([Condition])
    case any([Condition])
    case not(Condition)

    /// What a field can be tested for.
    enum Test: Sendable {
        case oneOf(Set<String>)
        case glob([Glob])
        case host(HostSet)
        case regex([NSRegularExpression])
        case exists(Bool)
    }

    // MARK: - As options

    /// One or several texts; numbers and booleans count as they are written.
    private static let texts = OptionType<[String]>.list(
        of: OptionType<String>("string") { node, diagnostics in
            switch node.content {
            case .string(let text): return text
            case .int(let value): return String(value)
            case .bool(let value): return String(value)
            default:
                diagnostics.error("text is expected here, \(node.kindName) stands here", at: node.location)
                return nil
            }
        })
    private static let patterns = OptionType<[NSRegularExpression]>.list(
        of: OptionType<String>.string.map(named: "regular expression") { text in
            do {
                return try NSRegularExpression(pattern: text)
            } catch {
                throw OptionError("'\(text)' is no regular expression")
            }
        })
    private static let condition = OptionType<Condition>("condition") { node, diagnostics in
        guard let options = Options.read(node, declarations: options, owner: "a condition", &diagnostics) else {
            return nil
        }
        do {
            return try Condition(options)
        } catch {
            diagnostics.error("\(error)", at: node.location)
            return nil
        }
    }

    private static let field = Option(optional: "field", .fieldPath, help: "the field, such as config.url or events")
    private static let equals = Option(optional: "equals", texts, help: "it is this, or one of these")
    private static let isIn = Option(optional: "in", texts, help: "it is one of these")
    private static let glob = Option(optional: "glob", texts, help: "it fits a pattern with * and ?")
    private static let host = Option(
        optional: "host", texts, help: "it is a URL whose host is one of these; *.example.net for all below example.net"
    )
    private static let regex = Option(
        optional: "regex", patterns, help: "a regular expression is found in it; ^ and $ make it the whole")
    private static let exists = Option(optional: "exists", .bool, help: "whether it is there at all, and not null")
    private static let all = Option(optional: "all", .list(of: condition), help: "all of these conditions hold")
    private static let any = Option(optional: "any", .list(of: condition), help: "one of these conditions holds")
    private static let not = Option(optional: "not", condition, help: "this condition does not hold")

    static let options: [any OptionDeclaration] = [field, equals, isIn, glob, host, regex, exists, all, any, not]

    init(_ options: Options) throws {
        let tests: [Test?] = [
            options[Self.equals].map { .oneOf(Set($0)) }, options[Self.isIn].map { .oneOf(Set($0)) },
            options[Self.glob].map { .glob($0.map(Glob.init)) }, options[Self.host].map { .host(HostSet($0)) },
            options[Self.regex].map { .regex($0) }, options[Self.exists].map { .exists($0) },
        ]
        let joined: [Condition?] = [
            options[Self.all].map { .all($0) }, options[Self.any].map { .any($0) }, options[Self.not].map { .not($0) },
        ]
        let names = "equals, in, glob, host, regex or exists"
        switch (options[Self.field], tests.compactMap { $0 }, joined.compactMap { $0 }) {
        case (let path?, let tests, let joined) where tests.count == 1 && joined.isEmpty: self = .field(path, tests[0])
        case (nil, let tests, let joined) where joined.count == 1 && tests.isEmpty: self = joined[0]
        case (nil, let tests, _) where !tests.isEmpty: throw OptionError("a condition with \(names) needs a 'field'")
        case (_?, _, let joined) where joined.isEmpty:
            throw OptionError("a 'field' needs exactly one of \(names); join several with 'all'")
        default:
            throw OptionError("a condition has either a 'field' with one of \(names), or one of 'all', 'any' and 'not'")
        }
    }

    // MARK: - In use

    /// The longest text a regular expression is tried on: some need time that grows out of all proportion to the text.
    private static let longestForRegex = 4096

    /// Whether it holds for a record.
    ///
    /// - Throws: `JSONError` where the record is not JSON; `StageError` where a text is too long for a regular expression.
    func holds(for json: [UInt8]) throws -> Bool {
        switch self {
        case .field(let path, let test): try Self.fits(try path.value(in: json), test)
        case .all(let conditions): try conditions.allSatisfy { try $0.holds(for: json) }
        case .any(let conditions): try conditions.contains { try $0.holds(for: json) }
        case .not(let condition): try !condition.holds(for: json)
        }
    }

    private static func fits(_ value: FieldPath.Value?, _ test: Test) throws -> Bool {
        switch (value, test) {
        case (_, .exists(let expected)): (value != nil) == expected
        case (.text(let text), _): try fits(text, test)
        case (.list(let texts), _): try texts.contains { try fits($0, test) }
        case (.object, _), (nil, _): false
        }
    }

    private static func fits(_ text: String, _ test: Test) throws -> Bool {
        switch test {
        case .oneOf(let texts): return texts.contains(text)
        case .glob(let globs): return globs.contains { $0.matches(text) }
        case .host(let hosts): return URLHost.of(text).map { hosts.contains($0) } ?? false
        case .regex(let patterns):
            guard text.utf8.count <= longestForRegex else {
                throw StageError("a field of more than \(longestForRegex) bytes is too long for a regular expression")
            }
            let range = NSRange(location: 0, length: text.utf16.count)
            return patterns.contains { $0.firstMatch(in: text, range: range) != nil }
        case .exists: return true
        }
    }
}
