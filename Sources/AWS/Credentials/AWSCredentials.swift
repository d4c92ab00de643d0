public import Wire

/// What a request is signed with. Never printed: its description names the key only.
public struct AWSCredentials: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// The access key's id.
    public var accessKeyID: String
    /// The secret key.
    public var secretAccessKey: String
    /// The token of temporary credentials.
    public var sessionToken: String?
    /// When temporary credentials end.
    public var expiration: Timestamp?

    /// Credentials.
    public init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Timestamp? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiration = expiration
    }

    /// The key's id; never the secret.
    public var description: String { "AWS credentials of \(accessKeyID)" }
    /// Never the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where credentials come from.
public protocol CredentialsProvider: Sendable {
    /// Credentials that are good now; nil where this is not the place they come from.
    ///
    /// - Throws: `CredentialsError` where they should be here but cannot be had.
    func credentials() async throws -> AWSCredentials?
}

/// Why there are no credentials. Never holds a secret.
public struct CredentialsError: Error, CustomStringConvertible {
    /// The reason, for people.
    public let description: String

    /// An error with a reason.
    public init(_ reason: String) { description = reason }
}

/// Credentials that are given.
public struct StaticCredentials: CredentialsProvider {
    private let value: AWSCredentials

    /// Always these.
    public init(_ value: AWSCredentials) { self.value = value }

    /// The credentials.
    public func credentials() async throws -> AWSCredentials? { value }
}
