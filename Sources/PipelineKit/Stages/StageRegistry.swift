/// The kinds of stages that pipelines can use.
///
/// A package with stages of its own registers them and passes the registry to the command line.
public struct StageRegistry: Sendable {
    /// The role of a stage in a pipeline.
    public enum Role: String, Sendable, CaseIterable {
        case source
        case filter
        case transform
        case sink
    }

    /// A registered kind.
    public struct Kind: Sendable {
        public let role: Role
        public let declaration: StageDeclaration
        /// Whether the sender redelivers failed messages, for a source.
        let redelivers: Bool
        /// Makes a stage of this kind.
        let make: @Sendable (Options, StageContext) throws -> AnyStage

        /// The role and the name, as in `source sns`.
        public var title: String { "\(role.rawValue) \(declaration.name)" }
    }

    private var kinds: [Role: [String: Kind]] = [:]

    /// Makes an empty registry.
    public init() {}

    /// Registers a source, and replaces a kind of the same name.
    public mutating func register<StageType: Source>(_ type: StageType.Type) {
        add(.source, StageType.declaration, redelivers: StageType.redelivers) { .source(try StageType($0, $1)) }
    }

    /// Registers a filter, and replaces a kind of the same name.
    public mutating func register<StageType: Filter>(_ type: StageType.Type) {
        add(.filter, StageType.declaration) { .filter(try StageType($0, $1)) }
    }

    /// Registers a transform, and replaces a kind of the same name.
    public mutating func register<StageType: Transform>(_ type: StageType.Type) {
        add(.transform, StageType.declaration) { .transform(try StageType($0, $1)) }
    }

    /// Registers a sink, and replaces a kind of the same name.
    public mutating func register<StageType: Sink>(_ type: StageType.Type) {
        add(.sink, StageType.declaration) { .sink(try StageType($0, $1)) }
    }

    /// Returns the kind with a name.
    public func kind(_ role: Role, _ name: String) -> Kind? { kinds[role]?[name] }

    /// Returns the kinds of a role, sorted by name.
    public func kinds(_ role: Role) -> [Kind] {
        (kinds[role] ?? [:]).values.sorted { $0.declaration.name < $1.declaration.name }
    }

    /// Adds a kind with a factory function, for tests of this package.
    package mutating func add(
        _ role: Role, _ declaration: StageDeclaration, redelivers: Bool = false,
        make: @escaping @Sendable (Options, StageContext) throws -> AnyStage
    ) {
        kinds[role, default: [:]][declaration.name] = Kind(
            role: role, declaration: declaration, redelivers: redelivers, make: make)
    }
}

/// A stage of any of the four roles.
package enum AnyStage: Sendable {
    case source(any Source)
    case filter(any Filter)
    case transform(any Transform)
    case sink(any Sink)
}
