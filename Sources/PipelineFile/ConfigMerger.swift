import PipelineKit

/// Merges a tree over another, as a file does with the file that it extends: maps merge, scalars and lists replace,
/// null (`key:`) removes, stages merge by name. A source, sink, filter or transform of another kind replaces the whole.
struct ConfigMerger {
    /// The keys whose value is a kind of stage.
    private static let kindKeys: Set<String> = ["source", "sink", "filter", "transform", "otherwise", "deadLetters"]

    var diagnostics = Diagnostics()

    /// Applies a file's tree over that of the file that it extends, or over nothing.
    mutating func apply(_ over: ConfigNode, over base: ConfigNode?) -> ConfigNode {
        guard case .map(let entries) = over.content else { return over }
        var result: [ConfigNode.Entry] = if case .map(let entries)? = base?.content { entries } else { [] }
        for entry in entries where entry.key != "extends" {
            let known = result.firstIndex { $0.key == entry.key }
            var entry = entry
            if entry.key == "stages", case .list(let stages) = entry.value.content {
                let others: [ConfigNode] =
                    if let known, case .list(let nodes) = result[known].value.content { nodes } else { [] }
                entry.value.content = .list(merge(stages, into: others))
            } else if let known {
                if case .null = entry.value.content {
                    result.remove(at: known)
                    continue
                }
                entry.value = merge(entry.value, over: result[known].value, key: entry.key)
            }
            if let known { result[known] = entry } else { result.append(entry) }
        }
        return ConfigNode(.map(result), at: over.location)
    }

    private func merge(_ over: ConfigNode, over base: ConfigNode, key: String) -> ConfigNode {
        if Self.kindKeys.contains(key), Self.kind(of: over) != Self.kind(of: base) { return over }
        guard case .map(let entries) = over.content, case .map(var result) = base.content else { return over }
        for var entry in entries {
            guard let known = result.firstIndex(where: { $0.key == entry.key }) else {
                result.append(entry)
                continue
            }
            if case .null = entry.value.content, !Self.kindKeys.contains(key) {
                result.remove(at: known)
            } else {
                entry.value = merge(entry.value, over: result[known].value, key: entry.key)
                result[known] = entry
            }
        }
        return ConfigNode(.map(result), at: over.location)
    }

    /// Returns the kind in the value of `source`, `sink`, ...: `KIND` or `{KIND: ...}`.
    private static func kind(of node: ConfigNode) -> String? {
        switch node.content {
        case .string(let kind): kind
        case .map(let entries): entries.first { $0.key != "name" }?.key
        default: nil
        }
    }

    // MARK: - Stages

    private mutating func merge(_ stages: [ConfigNode], into base: [ConfigNode]) -> [ConfigNode] {
        var result = base
        for stage in stages {
            guard case .map(let entries) = stage.content, let name = StageEntry.name(of: stage) else {
                result.append(stage)
                continue
            }
            let placing = entries.filter { Self.placementKeys.contains($0.key) }
            let rest = ConfigNode(
                .map(entries.filter { !Self.placementKeys.contains($0.key) }), at: stage.location)
            let known = base.firstIndex { StageEntry.name(of: $0) == name }
                .flatMap { _ in result.firstIndex { StageEntry.name(of: $0) == name } }
            let read = Options.read(
                ConfigNode(.map(placing), at: stage.location), declarations: StageEntry.Placement.declarations,
                owner: "a stage", &diagnostics)
            guard let placement = read else { continue }
            if placement[StageEntry.Placement.remove] {
                if let known {
                    result.remove(at: known)
                } else {
                    missing(name, "to be removed", among: result, at: placing[0].keyLocation)
                }
                continue
            }
            let merged = known.map { Self.merge(rest, over: result[$0], self) } ?? rest
            place(merged, at: known, placement, in: &result, entries: placing)
        }
        return result
    }

    private static let placementKeys = Set(StageEntry.Placement.declarations.map(\.name))

    /// Merges a stage over one of its name. A different role replaces it.
    private static func merge(_ over: ConfigNode, over base: ConfigNode, _ merger: ConfigMerger) -> ConfigNode {
        for role in ["filter", "transform"] where over[role] != nil && base[role] == nil { return over }
        return merger.merge(over, over: base, key: "stage")
    }

    private mutating func place(
        _ stage: ConfigNode, at known: Int?, _ placement: Options, in result: inout [ConfigNode],
        entries: [ConfigNode.Entry]
    ) {
        let before = placement[StageEntry.Placement.before]
        let after = placement[StageEntry.Placement.after]
        guard let neighbour = before ?? after else {
            if let known { result[known] = stage } else { result.append(stage) }
            return
        }
        if before != nil, after != nil {
            diagnostics.error("a stage is placed 'before' or 'after' another, not both", at: entries[0].keyLocation)
        }
        if let known { result.remove(at: known) }
        guard let index = result.firstIndex(where: { StageEntry.name(of: $0) == neighbour }) else {
            return missing(neighbour, "to put this one beside", among: result, at: entries[0].value.location)
        }
        result.insert(stage, at: before != nil ? index : index + 1)
    }

    private mutating func missing(
        _ name: String, _ purpose: String, among stages: [ConfigNode], at location: SourceLocation
    ) {
        let names = stages.compactMap { StageEntry.name(of: $0) }
        let near = suggestion(for: name, among: names)
        let known =
            !near.isEmpty ? near : names.isEmpty ? "; there are none" : "; there are \(names.joined(separator: ", "))"
        diagnostics.error("there is no stage '\(name)' \(purpose)\(known)", at: location)
    }
}
