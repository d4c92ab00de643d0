/// Parsing of a stage, wherever one may be written: `KIND`, or `{KIND: {options}}`.
extension PipelineSpec.StageSpec {
    /// Parses `{KIND: {...}}`, or `KIND` for a kind without required options. The map may also hold a `name`. The kinds
    /// are those of the diagnostics' registry.
    ///
    /// - Returns: nil after adding a diagnostic.
    public static func read(
        _ role: StageRegistry.Role, _ node: ConfigNode, _ diagnostics: inout Diagnostics
    ) -> Self? {
        switch node.content {
        case .string(let kind):
            return read(role, kind, at: node.location, options: ConfigNode(.null, at: node.location), &diagnostics)
        case .map(let members):
            let kinds = members.filter { $0.key != "name" }
            guard kinds.count == 1, let kind = kinds.first else { break }
            var stage = read(role, kind.key, at: kind.keyLocation, options: kind.value, &diagnostics)
            if let named = members.first(where: { $0.key == "name" }) {
                guard let name = OptionType<String>.string.value(of: named.value, &diagnostics) else { return nil }
                stage?.name = name
            }
            return stage
        default: break
        }
        let example = diagnostics.registry.kinds(role).first?.declaration.name ?? "KIND"
        diagnostics.error(
            "expected one kind of \(role.rawValue) with its options, as in '\(role.rawValue): {\(example): {...}}'",
            at: node.location)
        return nil
    }

    private static func read(
        _ role: StageRegistry.Role, _ name: String, at location: SourceLocation, options: ConfigNode,
        _ diagnostics: inout Diagnostics
    ) -> Self? {
        guard let kind = diagnostics.registry.kind(role, name) else {
            let all = diagnostics.registry.kinds(role).map(\.declaration.name)
            let near = suggestion(for: name, among: all)
            let known = near.isEmpty ? "; there are \(all.joined(separator: ", "))" : near
            diagnostics.error("there is no \(role.rawValue) '\(name)'\(known)", at: location)
            return nil
        }
        var options = options
        if kind.declaration.hasInlineOption, let option = kind.declaration.options.first {
            let entry = ConfigNode.Entry(key: option.name, keyLocation: location, value: options)
            if case .null = options.content {} else { options = ConfigNode(.map([entry]), at: options.location) }
        }
        if let shorthand = kind.declaration.shorthand {
            switch options.content {
            case .map, .null: break
            default:
                let entry = ConfigNode.Entry(key: shorthand, keyLocation: options.location, value: options)
                options = ConfigNode(.map([entry]), at: options.location)
            }
        }
        // Missing options are reported at the stage.
        if case .null = options.content { options.location = location }
        let read = Options.read(
            options, declarations: kind.declaration.options, owner: kind.title, missingAt: location, &diagnostics)
        return read.map { .init(name: name, kind: kind, options: $0, location: location) }
    }
}

extension PipelineSpec.StageSpec {
    /// Reports the stage and its nested sinks, with their locations and advice, if they do not accept the payload that
    /// arrives.
    func checkPayload(_ incoming: PayloadKind, _ diagnostics: inout Diagnostics) {
        if let expected = kind.declaration.accepts, expected != incoming {
            let producers = diagnostics.registry.kinds(.transform)
                .filter { $0.declaration.produces == expected }.map { "'\($0.title)'" }
            let advice = producers.isEmpty ? "" : "; put \(producers.joined(separator: " or ")) in front of it"
            diagnostics.error(
                "\(kind.title) accepts \(expected), but gets \(incoming)\(advice)", at: location)
        }
        for nested in options.nestedStages + (otherwise.map { [$0] } ?? []) {
            nested.checkPayload(incoming, &diagnostics)
        }
    }
}

extension PipelineSpec {
    /// Reports every stage that does not accept what the one before it produces, and names that are not unique.
    public func check(_ diagnostics: inout Diagnostics) {
        var incoming = source.kind.declaration.produces ?? .bytes
        for stage in stages + [sink] {
            stage.checkPayload(incoming, &diagnostics)
            incoming = stage.kind.declaration.produces ?? incoming
        }
        var seen: Set<String> = [sink.name]
        for stage in stages where !seen.insert(stage.name).inserted {
            diagnostics.error(
                "another stage has the name '\(stage.name)', too; give this one a 'name'", at: stage.location)
        }
    }
}
