import Patterns
import PipelineKit
import Wire

/// A condition on a message.
indirect enum Condition: Sendable {
    case host(HostTest)
    case value(FieldReference, Test, Elements)
    case all([Condition])
    case any([Condition])
    case not(Condition)

    /// How many elements of a list must match.
    enum Elements: String, CaseIterable, Sendable {
        case any, all
    }

    /// A test of a value.
    enum Test: Sendable {
        case oneOf(Set<String>)
        case glob([Glob])
        case regex([Pattern])
        case cidr([AddressRange])
        case number(Comparison, Double)
        case time(isAfter: Bool, Moment)
        case exists(Bool)
    }

    /// How a number is compared.
    enum Comparison: Sendable { case above, atLeast, below, atMost }

    /// A point in time.
    enum Moment: Sendable {
        /// Relative to the time of the test; negative for the past.
        case fromNow(Duration)
        case at(Timestamp)
    }

    // MARK: - As options

    private static let patterns = OptionType<[Pattern]>.list(
        of: OptionType<String>.string.map(named: "regular expression") { text in
            do {
                return try Pattern(text)
            } catch {
                throw OptionError("'\(text)' is no valid regular expression: \(error)")
            }
        })
    private static let ranges = ListFile.texts.map(named: "ranges of addresses, {file: ...}") { texts in
        try texts.map { text in
            guard let range = AddressRange(text) else {
                throw OptionError("'\(text)' is no range of addresses such as 192.0.2.0/24 or 2001:db8::/32")
            }
            return range
        }
    }
    private static let anyNumber = OptionType<Double>.number(
        -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude)
    private static let moment = OptionType<Moment>("duration or date-time", shape: .text) { node, diagnostics in
        if let text = node.text {
            if let duration = GoDuration.parse(text) { return .fromNow(duration) }
            if let time = RFC3339.parse(text) { return .at(time.timestamp) }
        }
        diagnostics.error(
            "expected a duration from now such as 1h or -10m, or a date-time such as 2026-01-01T00:00:00Z",
            at: node.location)
        return nil
    }
    /// A nested condition.
    static let type = OptionType<Condition>(
        "condition", shape: .named("condition") { .openGroup(options, others: .group(tests)) },
        read: { node, diagnostics in read(node, &diagnostics) })

    private static let field = Option(
        optional: "field", .reference, help: "the value to test, such as config.url, events[*], attributes.scytale.env")
    private static let elements = Option(
        "elements", OptionType<Elements>.choice, default: .any, shown: "any",
        help: "whether any or all elements of a list must match; an empty list never matches")
    private static let equals = Option(optional: "equals", ListFile.texts, help: "it is this, or one of these")
    private static let isIn = Option(optional: "in", ListFile.texts, help: "it is one of these")
    private static let glob = Option(optional: "glob", ListFile.texts, help: "it matches a pattern with * and ?")
    private static let host = Option(
        optional: "host", ListFile.texts,
        help: "it is a URL whose host is one of these; *.example.net for all below example.net")
    private static let regex = Option(
        optional: "regex", patterns,
        help: "a regular expression, in Go's syntax (RE2), is found in it; ^ and $ make it the whole")
    private static let cidr = Option(
        optional: "cidr", ranges, help: "it is an address in one of these ranges, such as 192.0.2.0/24")
    private static let above = Option(optional: "above", anyNumber, help: "it is a number above this")
    private static let atLeast = Option(optional: "atLeast", anyNumber, help: "it is a number of at least this")
    private static let below = Option(optional: "below", anyNumber, help: "it is a number below this")
    private static let atMost = Option(optional: "atMost", anyNumber, help: "it is a number of at most this")
    private static let after = Option(
        optional: "after", moment,
        help: "it is a time (a date-time or epoch seconds) later than this: a duration from now, or a date-time")
    private static let before = Option(optional: "before", moment, help: "it is a time earlier than this")
    private static let exists = Option(optional: "exists", .bool, help: "whether it exists and is not null")
    private static let all = Option(optional: "all", .list(of: type), help: "all of these conditions hold")
    private static let any = Option(optional: "any", .list(of: type), help: "one of these conditions holds")
    private static let not = Option(optional: "not", type, help: "this condition does not hold")

    /// The tests of a value. All that are given must match.
    private static let tests: [any OptionDeclaration] = [
        equals, isIn, glob, host, regex, cidr, above, atLeast, below, atMost, after, before, exists, elements,
    ]
    static let options: [any OptionDeclaration] = [field] + tests + [all, any, not]
    private static let testNames = Set(tests.map(\.name))

    /// Parses a condition: `{field: config.url, host: ...}`, or shorter `{config.url: {host: ...}}`, where one map may
    /// hold several that must all match; or `all`, `any`, `not`.
    static func read(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> Condition? {
        guard case .map(let entries) = node.content else {
            diagnostics.error("a condition is a map, found \(node.kindName)", at: node.location)
            return nil
        }
        let known = Set(options.map(\.name))
        // A key with a map that is neither an option nor nearly spelled like one is a field.
        let shorts = entries.filter { entry in
            guard !known.contains(entry.key), case .map(let tests) = entry.value.content else { return false }
            return tests.allSatisfy { testNames.contains($0.key) } || suggestion(for: entry.key, among: known).isEmpty
        }
        let rest = entries.filter { entry in !shorts.contains { $0.key == entry.key } }
        var conditions: [Condition?] = shorts.map { read(short: $0, &diagnostics) }
        if !rest.isEmpty || shorts.isEmpty {
            let read = Options.read(
                ConfigNode(.map(rest), at: node.location), declarations: options, owner: "a condition", &diagnostics)
            do {
                conditions.append(try read.map { try Condition($0) })
            } catch {
                diagnostics.error("\(error)", at: node.location)
                return nil
            }
        }
        guard !conditions.contains(where: { $0 == nil }) else { return nil }
        let all = conditions.compactMap { $0 }
        return all.count == 1 ? all[0] : .all(all)
    }

    private static func read(short entry: ConfigNode.Entry, _ diagnostics: inout Diagnostics) -> Condition? {
        let path = ConfigNode(.string(entry.key), at: entry.keyLocation)
        let reference = OptionType<FieldReference>.reference.value(of: path, &diagnostics)
        let read = Options.read(
            entry.value, declarations: tests, owner: "a condition", missingAt: entry.keyLocation, &diagnostics)
        guard let reference, let read else { return nil }
        return try? Condition(reference, tests(read), read[host].map { HostSet($0) }, read[elements])
    }

    private init(_ reference: FieldReference, _ tests: [Test], _ hosts: HostSet?, _ elements: Elements) throws {
        guard !tests.isEmpty || hosts != nil else {
            throw OptionError("a 'field' needs a test such as equals, in, glob, host or exists")
        }
        var conditions = tests.map { Condition.value(reference, $0, elements) }
        if let hosts { conditions.append(.host(HostTest(reference, hosts, elements))) }
        self = conditions.count == 1 ? conditions[0] : .all(conditions)
    }

    private init(_ options: Options) throws {
        let tests = Self.tests(options)
        let hosts = options[Self.host].map { HostSet($0) }
        let joined: [Condition] = [
            options[Self.all].map { .all($0) }, options[Self.any].map { .any(Self.merged($0)) },
            options[Self.not].map { .not($0) },
        ].compactMap { $0 }
        switch (options[Self.field], tests.isEmpty && hosts == nil, joined.count) {
        case (let reference?, _, 0): self = try Condition(reference, tests, hosts, options[Self.elements])
        case (nil, true, 1): self = joined[0]
        case (nil, false, _): throw OptionError("a condition with a test such as equals or host needs a 'field'")
        default:
            throw OptionError("a condition has either a 'field' with a test, or one of 'all', 'any' and 'not'")
        }
    }

    /// Merges alternatives that test one field for lists of hosts or texts into one list. A lookup then costs the same,
    /// however many rules there are.
    private static func merged(_ conditions: [Condition]) -> [Condition] {
        var hosts: [FieldReference: [HostSet]] = [:]
        var texts: [FieldReference: Set<String>] = [:]
        var rest: [Condition] = []
        for condition in conditions {
            switch condition {
            case .host(let test) where test.elements == .any:
                hosts[test.reference, default: []].append(test.hosts)
            case .value(let reference, .oneOf(let set), .any): texts[reference, default: []].formUnion(set)
            default: rest.append(condition)
            }
        }
        let first: [Condition] =
            hosts.map { .host(HostTest($0.key, HostSet(union: $0.value), .any)) }
            + texts.map { .value($0.key, .oneOf($0.value), .any) }
        return first + rest
    }

    private static func tests(_ options: Options) -> [Test] {
        let found: [Test?] = [
            options[equals].map { .oneOf(Set($0)) }, options[isIn].map { .oneOf(Set($0)) },
            options[glob].map { .glob($0.map(Glob.init)) },
            options[regex].map { .regex($0) }, options[cidr].map { .cidr($0) },
            options[above].map { .number(.above, $0) }, options[atLeast].map { .number(.atLeast, $0) },
            options[below].map { .number(.below, $0) }, options[atMost].map { .number(.atMost, $0) },
            options[after].map { .time(isAfter: true, $0) }, options[before].map { .time(isAfter: false, $0) },
            options[exists].map { .exists($0) },
        ]
        return found.compactMap { $0 }
    }

    // MARK: - In use

    /// The maximum length of a text that regular expressions are applied to.
    private static let maximumRegexText = 4096

    /// Returns whether a message matches.
    ///
    /// - Throws: `StageError` if a field is tested and the message is not JSON, or if a text is too long for a regular
    ///   expression.
    func holds(for record: RecordView) throws -> Bool {
        switch self {
        case .host(let test): return try test.holds(for: record)
        case .value(let reference, let test, let elements):
            return try Self.fits(try record.value(of: reference), test, elements, record.now)
        case .all(let conditions):
            for condition in conditions where try !condition.holds(for: record) { return false }
            return true
        case .any(let conditions):
            for condition in conditions where try condition.holds(for: record) { return true }
            return false
        case .not(let condition): return try !condition.holds(for: record)
        }
    }

    private static func fits(
        _ value: FieldPath.Value?, _ test: Test, _ elements: Elements, _ now: Timestamp
    ) throws -> Bool {
        switch (value, test) {
        case (_, .exists(let expected)): return (value != nil) == expected
        case (.text(let text), _): return try fits(text, test, now)
        case (.list(let texts), _):
            guard elements == .all else { return try texts.contains { try fits($0, test, now) } }
            return try !texts.isEmpty && texts.allSatisfy { try fits($0, test, now) }
        case (.object, _), (nil, _): return false
        }
    }

    private static func fits(_ text: String, _ test: Test, _ now: Timestamp) throws -> Bool {
        switch test {
        case .oneOf(let texts): return texts.contains(text)
        case .glob(let globs): return globs.contains { $0.matches(text) }
        case .regex(let patterns):
            guard text.utf8.count <= maximumRegexText else {
                throw StageError("a field of more than \(maximumRegexText) bytes is too long for a regular expression")
            }
            return patterns.contains { $0.matches(anywhere: text) }
        case .cidr(let ranges):
            guard let address = AddressRange.address(text) else { return false }
            return ranges.contains { $0.contains(address) }
        case .number(let comparison, let limit):
            guard let number = Double(text), number.isFinite else { return false }
            return switch comparison {
            case .above: number > limit
            case .atLeast: number >= limit
            case .below: number < limit
            case .atMost: number <= limit
            }
        case .time(let isAfter, let moment):
            guard let time = RFC3339.parse(text)?.timestamp ?? Int64(text).map({ Timestamp(seconds: $0) }) else {
                return false
            }
            let limit =
                switch moment {
                case .fromNow(let duration): now + duration
                case .at(let time): time
                }
            return isAfter ? time > limit : time < limit
        case .exists: return true
        }
    }
}
