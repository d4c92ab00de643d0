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
