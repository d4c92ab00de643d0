public import PipelineKit
import Wire

/// The JSON Schema (draft 7) of pipeline files, generated from the stages' declarations, for editors and external
/// checks.
public struct PipelineSchema {
    private let registry: StageRegistry
    private var definitions: [JSONTree.Member] = []
    private var named: Set<String> = []

    /// Returns the schema of pipelines with the kinds of a registry.
    public static func text(_ registry: StageRegistry) -> String {
        var schema = PipelineSchema(registry: registry)
        return schema.root.pretty + "\n"
    }

    /// Returns the schema of another kind of file with these options.
    public static func text(of declarations: [any OptionDeclaration], title: String) -> String {
        var schema = PipelineSchema(registry: StageRegistry())
        guard case .object(let members) = schema.group(declarations, .whole) else { return "{}\n" }
        let head = JSONTree.members([
            "$schema": .string("http://json-schema.org/draft-07/schema#"), "title": .string(title),
        ])
        guard case .object(let first) = head else { return "{}\n" }
        return JSONTree.object(first + members).pretty + "\n"
    }

    private init(registry: StageRegistry) { self.registry = registry }

    /// In a file that extends another, all options are optional and can be null.
    private enum Variant: String {
        case whole, layer
        var isWhole: Bool { self == .whole }
    }

    private var root: JSONTree {
        mutating get {
            let whole = pipeline(.whole)
            let layer = pipeline(.layer)
            definitions.append(.init("pipeline", whole))
            definitions.append(.init("layer", layer))
            return .members([
                "$schema": .string("http://json-schema.org/draft-07/schema#"),
                "title": .string("A pipeline of Hecate"),
                "if": .members([
                    "type": .string("object"), "required": .array([.string("extends")]),
                ]),
                "then": Self.reference("layer"), "else": Self.reference("pipeline"),
                "definitions": .object(definitions),
            ])
        }
    }

    private mutating func pipeline(_ variant: Variant) -> JSONTree {
        var schema = group(PipelineFile.declarations, variant)
        if !variant.isWhole {
            schema = Self.adding(
                .members([
                    "type": .string("string"),
                    "description": .string("the pipeline file that this one extends, relative to this one"),
                ]), under: "extends", to: schema)
            let placement = PipelineFile.placementDeclarations.map {
                JSONTree.Member($0.name, property($0, variant))
            }
            var entry = group(PipelineFile.stageDeclarations, variant)
            for member in placement { entry = Self.adding(member.value, under: member.key, to: entry) }
            schema = Self.adding(
                .members(["type": .string("array"), "items": entry]), under: "stages", to: schema)
        }
        return schema
    }

    private static func reference(_ name: String) -> JSONTree {
        .members(["$ref": .string("#/definitions/\(name)")])
    }

    private static func adding(_ property: JSONTree, under name: String, to schema: JSONTree) -> JSONTree {
        guard case .object(var members) = schema, let index = members.firstIndex(where: { $0.key == "properties" }),
            case .object(var properties) = members[index].value
        else { return schema }
        properties.removeAll { $0.key == name }
        properties.append(.init(name, property))
        members[index].value = .object(properties)
        return .object(members)
    }

    private mutating func group(
        _ members: [any OptionDeclaration], _ variant: Variant, others: OptionShape? = nil
    ) -> JSONTree {
        let properties = members.map { JSONTree.Member($0.name, property($0, variant)) }
        let required = members.filter(\.isRequired).map { JSONTree.string($0.name) }
        var schema: [JSONTree.Member] = [
            .init("type", required.isEmpty || !variant.isWhole ? Self.types("object", "null") : .string("object")),
            .init("properties", .object(properties)),
            .init("additionalProperties", others.map { self.schema($0, variant) } ?? .bool(false)),
        ]
        if variant.isWhole, !required.isEmpty { schema.append(.init("required", .array(required))) }
        return .object(schema)
    }

    private static func types(_ names: String...) -> JSONTree { .array(names.map { .string($0) }) }

    private mutating func property(_ option: any OptionDeclaration, _ variant: Variant) -> JSONTree {
        var help = option.help
        if let text = option.defaultText, !text.isEmpty { help += " (else \(text))" }
        var schema = schema(option.shape, variant)
        if !variant.isWhole { schema = Self.any([schema, .members(["type": .string("null")])]) }
        guard case .object(var members) = schema else { return schema }
        if members.contains(where: { $0.key == "$ref" }) {
            // Draft 7 ignores everything beside a $ref.
            members = [.init("allOf", .array([schema]))]
        }
        members.append(.init("description", .string(help)))
        return .object(members)
    }

    private static func any(_ schemas: [JSONTree]) -> JSONTree { .members(["anyOf": .array(schemas)]) }

    /// Text with `${...}`, whose value is unknown.
    private static let variable = JSONTree.members(["type": .string("string"), "pattern": .string(#"\$\{"#)])

    private mutating func schema(_ shape: OptionShape, _ variant: Variant) -> JSONTree {
        switch shape {
        case .any: return .object([])
        case .text: return .members(["type": .string("string")])
        case .pattern(let pattern):
            return Self.any([
                .members(["type": .string("string"), "pattern": .string(pattern)]), Self.variable,
            ])
        case .boolean: return Self.any([.members(["type": .string("boolean")]), Self.variable])
        case .integer(let range):
            var members: [JSONTree.Member] = [.init("type", .string("integer"))]
            if range.lowerBound != .min { members.append(.init("minimum", .integer(range.lowerBound))) }
            if range.upperBound != .max { members.append(.init("maximum", .integer(range.upperBound))) }
            return Self.any([.object(members), Self.variable])
        case .number(let range):
            return Self.any([
                .members([
                    "type": .string("number"), "minimum": .number("\(range.lowerBound)"),
                    "maximum": .number("\(range.upperBound)"),
                ]), Self.variable,
            ])
        case .choice(let names):
            return Self.any([.members(["enum": .array(names.map { .string($0) })]), Self.variable])
        case .list(let inner):
            let element = schema(inner, variant)
            return Self.any([element, .members(["type": .string("array"), "items": element])])
        case .map(let inner):
            return .members(["type": .string("object"), "additionalProperties": schema(inner, variant)])
        case .group(let members): return group(members, variant)
        case .openGroup(let members, let others): return group(members, variant, others: others)
        case .oneOf(let shapes): return Self.any(shapes.map { schema($0, variant) })
        case .stage(let role): return stage(role, variant)
        case .named(let name, let inner):
            let definition = "\(name)-\(variant.rawValue)"
            if named.insert(definition).inserted {
                let schema = schema(inner(), variant)
                definitions.append(.init(definition, schema))
            }
            return Self.reference(definition)
        }
    }

    private mutating func stage(_ role: StageRegistry.Role, _ variant: Variant) -> JSONTree {
        let definition = "\(role.rawValue)-\(variant.rawValue)"
        guard named.insert(definition).inserted else { return Self.reference(definition) }
        var properties: [JSONTree.Member] = [.init("name", .members(["type": .string("string")]))]
        var bare: [JSONTree] = []
        for kind in registry.kinds(role) {
            let declaration = kind.declaration
            var options = schema(declaration.shape, variant)
            if case .object(let members) = options {
                let described = members.contains { $0.key == "$ref" } ? [.init("allOf", .array([options]))] : members
                options = .object(described + [.init("description", .string(declaration.summary))])
            }
            properties.append(.init(declaration.name, options))
            if declaration.options.allSatisfy({ !$0.isRequired }) { bare.append(.string(declaration.name)) }
        }
        var schemas: [JSONTree] = [
            .members([
                "type": .string("object"), "properties": .object(properties), "additionalProperties": .bool(false),
                "minProperties": .integer(1), "maxProperties": .integer(2),
            ])
        ]
        if !bare.isEmpty { schemas.append(.members(["enum": .array(bare)])) }
        definitions.append(.init(definition, Self.any(schemas)))
        return Self.reference(definition)
    }
}
