/// Why there are no credentials. Never holds a secret.
public struct CredentialsError: Error, CustomStringConvertible {
    public let description: String

    public init(_ reason: String) { description = reason }
}
