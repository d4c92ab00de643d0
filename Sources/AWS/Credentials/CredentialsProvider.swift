/// Provides credentials.
public protocol CredentialsProvider: Sendable {
    /// Returns valid credentials; nil if this provider is not configured.
    ///
    /// - Throws: `CredentialsError` if it is configured but has no credentials.
    func credentials() async throws -> AWSCredentials?
}

/// Provides constant credentials.
public struct StaticCredentials: CredentialsProvider {
    private let value: AWSCredentials

    public init(_ value: AWSCredentials) { self.value = value }

    public func credentials() async throws -> AWSCredentials? { value }
}
