import PipelineKit
import Wire

/// Rules that give a message a value, such as an owner or partners, tried in order. A single text or list of texts is a
/// rule that always matches.
struct RuleSet: Sendable {
    private indirect enum Rule: Sendable {
        /// The values if the condition matches, or always without one.
        case values([TemplateText], when: Condition?)
        case lookup(LookupTable)
    }

    private let rules: [Rule]
    /// The values, if they are the same for every message.
    let constant: [String]?

    /// Returns the values for a message; nil if no rule gives any. Skips a rule whose template needs a missing value.
    ///
    /// - Throws: `StageError` if the message cannot be parsed.
    func values(for record: RecordView) throws -> [String]? {
        if let constant { return constant }
        for rule in rules {
            switch rule {
            case .values(let templates, let condition):
                if let condition, try !condition.holds(for: record) { continue }
                var values: [String] = []
                for template in templates {
                    if let value = try template.filled(record) { values.append(value) }
                }
                if values.count == templates.count { return values }
            case .lookup(let table): if let values = try table.values(for: record) { return values }
            }
        }
        return nil
    }

    // MARK: - As an option

    private static let when = Option(
        optional: "when", Condition.type, help: "the rule holds where this condition does, as in filter match")
    private static let lookup = Option(
        optional: "lookup", .group("lookup", LookupTable.options),
        help: "a table; if it has no entry, the next rule is tried"
    )
    private static let fallback = Option(
        optional: "default", .list(of: .template), help: "the value if no rule before gave one")

    /// Returns the type of an option with this name.
    ///
    /// - Parameter isList: whether a message may have several values.
    static func type(_ name: String, isList: Bool) -> OptionType<RuleSet> {
        let values = Option(
            optional: name, .list(of: .template), help: "the value, in which {config.url|host} is filled")
        let members: [any OptionDeclaration] = [when, values, lookup, fallback]
        return OptionType(
            isList ? "texts or rules" : "text or rules", members: members,
            shape: .oneOf([.text, .list(.oneOf([.text, .group(members)]))])
        ) { node, diagnostics in
            let nodes: [ConfigNode] = if case .list(let nodes) = node.content { nodes } else { [node] }
            let isRules = nodes.contains { if case .map = $0.content { true } else { false } }
            guard isRules else {
                let type = OptionType<[TemplateText]>.list(of: .template)
                guard let texts = type.value(of: node, &diagnostics) else { return nil }
                guard isList || texts.count == 1 else {
                    diagnostics.error("expected one '\(name)', or rules", at: node.location)
                    return nil
                }
                return RuleSet([.values(texts, when: nil)])
            }
            let rules = nodes.map { rule($0, members, values, name, isList: isList, &diagnostics) }
            guard !rules.contains(where: { $0 == nil }) else { return nil }
            return RuleSet(rules.compactMap { $0 })
        }
    }

    private init(_ rules: [Rule]) {
        self.rules = rules
        var constant: [String]?
        if rules.count == 1, case .values(let templates, nil) = rules[0], templates.allSatisfy(\.isConstant) {
            constant = templates.compactMap(\.constant)
        }
        self.constant = constant
    }

    private static func rule(
        _ node: ConfigNode, _ members: [any OptionDeclaration], _ values: Option<[TemplateText]?>, _ name: String,
        isList: Bool, _ diagnostics: inout Diagnostics
    ) -> Rule? {
        let owner = "a rule of \(name)"
        guard let options = Options.read(node, declarations: members, owner: owner, &diagnostics) else { return nil }
        func fail(_ message: String) -> Rule? {
            diagnostics.error(message, at: node.location)
            return nil
        }
        let texts = options[values] ?? options[fallback]
        if !isList, let texts, texts.count != 1 { return fail("a rule gives one \(name)") }
        switch (options[values], options[lookup], options[fallback]) {
        case (let texts?, nil, nil): return .values(texts, when: options[when])
        case (nil, nil, let texts?) where options[when] == nil: return .values(texts, when: nil)
        case (nil, let lookup?, nil) where options[when] == nil:
            do {
                return .lookup(try LookupTable(lookup, isList: isList))
            } catch {
                return fail("\(error)")
            }
        default:
            return fail(
                "a rule of \(name) is {when: ..., \(name): ...}, {\(name): TEMPLATE}, {lookup: ...} or {default: ...}")
        }
    }
}
