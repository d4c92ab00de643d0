/// The kinds of stages that pipelines can be built of.
///
/// A package that adds a stage registers it here and hands the registry to the command line.
public struct StageRegistry: Sendable {
    /// What part a stage plays in a pipeline.
    public enum Role: String, Sendable, CaseIterable {
        /// Where messages come from.
        case source
        /// Decides which go on.
        case filter
        /// Turns them into others.
        case transform
        /// Where they go.
        case sink
    }

    /// A registered kind.
    public struct Kind: Sendable {
        /// The part it plays.
        public let role: Role
        /// What it says of itself.
        public let declaration: StageDeclaration
        /// For a source: whether its sender sends again what failed.
        let redelivers: Bool
        /// Makes a stage of this kind.
        let make: @Sendable (Options, StageContext) throws -> AnyStage

        /// The role and the name, as in `source sns`.
        public var title: String { "\(role.rawValue) \(declaration.name)" }
    }

    private var kinds: [Role: [String: Kind]] = [:]

    /// A registry without any kinds.
    public init() {}

    /// Adds a source. A kind of the same name is replaced.
    public mutating func register<StageType: Source>(_ type: StageType.Type) {
        add(.source, StageType.declaration, redelivers: StageType.redelivers) { .source(try StageType($0, $1)) }
    }

    /// Adds a filter. A kind of the same name is replaced.
    public mutating func register<StageType: Filter>(_ type: StageType.Type) {
        add(.filter, StageType.declaration) { .filter(try StageType($0, $1)) }
    }

    /// Adds a transform. A kind of the same name is replaced.
    public mutating func register<StageType: Transform>(_ type: StageType.Type) {
        add(.transform, StageType.declaration) { .transform(try StageType($0, $1)) }
    }

    /// Adds a sink. A kind of the same name is replaced.
    public mutating func register<StageType: Sink>(_ type: StageType.Type) {
        add(.sink, StageType.declaration) { .sink(try StageType($0, $1)) }
    }

    /// The kind of a name.
    public func kind(_ role: Role, _ name: String) -> Kind? { kinds[role]?[name] }

    /// The kinds of a role, by name.
    public func kinds(_ role: Role) -> [Kind] {
        (kinds[role] ?? [:]).values.sorted { $0.declaration.name < $1.declaration.name }
    }

    /// Adds a kind that is made by a function; for tests of this package.
    package mutating func add(
        _ role: Role, _ declaration: StageDeclaration, redelivers: Bool = false,
        make: @escaping @Sendable (Options, StageContext) throws -> AnyStage
    ) {
        kinds[role, default: [:]][declaration.name] = Kind(
            role: role, declaration: declaration, redelivers: redelivers, make: make)
    }
}

/// A stage, whichever of the four it is.
package enum AnyStage: Sendable {
    case source(any Source)
    case filter(any Filter)
    case transform(any Transform)
    case sink(any Sink)
}
