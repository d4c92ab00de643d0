public import Wire

/// Credentials to sign requests with. The description never shows the secret.
public struct AWSCredentials: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    public var accessKeyID: String
    public var secretAccessKey: String
    public var sessionToken: String?
    /// When temporary credentials expire.
    public var expiration: Timestamp?

    public init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Timestamp? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiration = expiration
    }

    /// The key's id, without the secret.
    public var description: String { "AWS credentials of \(accessKeyID)" }
    /// Hides the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Provides credentials.
public protocol CredentialsProvider: Sendable {
    /// Returns valid credentials; nil if this provider is not configured.
    ///
    /// - Throws: `CredentialsError` if it is configured but has no credentials.
    func credentials() async throws -> AWSCredentials?
}

/// Why there are no credentials. Never holds a secret.
public struct CredentialsError: Error, CustomStringConvertible {
    public let description: String

    public init(_ reason: String) { description = reason }
}

/// Provides constant credentials.
public struct StaticCredentials: CredentialsProvider {
    private let value: AWSCredentials

    public init(_ value: AWSCredentials) { self.value = value }

    public func credentials() async throws -> AWSCredentials? { value }
}
