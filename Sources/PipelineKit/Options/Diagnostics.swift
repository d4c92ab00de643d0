/// Collects the diagnostics of a pass, so that all mistakes are reported at once.
public struct Diagnostics: Sendable {
    /// The diagnostics in the order of their occurrence.
    public private(set) var all: [Diagnostic] = []
    /// The kinds of stages that options may name.
    public let registry: StageRegistry

    public init(registry: StageRegistry = StageRegistry()) { self.registry = registry }

    /// Adds an error.
    public mutating func error(_ message: String, at location: SourceLocation?) {
        all.append(Diagnostic(.error, message, at: location))
    }

    /// Adds a warning.
    public mutating func warning(_ message: String, at location: SourceLocation?) {
        all.append(Diagnostic(.warning, message, at: location))
    }

    /// Adds the diagnostics of another pass.
    public mutating func append(contentsOf other: [Diagnostic]) { all += other }

    public var hasErrors: Bool { all.contains { $0.severity == .error } }
}
