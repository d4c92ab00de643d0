import AWS
import HTTP
import PipelineKit
import Wire

/// The options of a client of an AWS service: region, endpoint, credentials and TLS. Shared by all stages that call
/// one.
struct AWSClientOptions: Sendable {
    private static let region = Option(
        optional: "region", .string, help: "the region; by default that of the ARN or the queue's URL")
    private static let endpoint = Option(
        optional: "endpoint", .httpAddress, help: "the URL of the service; by default Amazon's in the region")
    private static let accessKeyID = Option(optional: "accessKeyID", .string, help: "the access key's id")
    private static let secretAccessKey = Option(optional: "secretAccessKey", .secret, help: "the secret key")
    private static let sessionToken = Option(
        optional: "sessionToken", .secret, help: "the token of temporary credentials")
    private static let profile = Option(optional: "profile", .string, help: "a profile of the shared credentials file")
    private static let credentials = Option(
        "credentials", .group("credentials", [accessKeyID, secretAccessKey, sessionToken, profile]), default: Options(),
        shown: "",
        help:
            "the credentials; by default the chain of environment, web identity, shared file, container and instance metadata"
    )
    private static let clientTLS = ClientTLS.option(
        "clientTLS",
        help: "certificates for https to the service, and to where signing certificates are fetched from")

    /// The options that a stage adds to its own.
    static let options: [any OptionDeclaration] = [region, endpoint, credentials, clientTLS]

    let region: String
    let endpoint: String?
    private let staticCredentials: AWSCredentials?
    private let profile: String?
    private let clientTLS: ClientTLS

    /// - Parameter named: the region named by an ARN or a URL.
    init(_ options: Options, regionNamed named: String?) throws {
        guard let region = options[Self.region] ?? named else {
            throw OptionError("no region is configured: set 'region'")
        }
        self.region = region
        endpoint = options[Self.endpoint]?.description
        let credentials = options[Self.credentials]
        profile = credentials[Self.profile]
        switch (credentials[Self.accessKeyID], credentials[Self.secretAccessKey]) {
        case (let id?, let secret?):
            staticCredentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret.revealed,
                sessionToken: credentials[Self.sessionToken]?.revealed)
        case (nil, nil): staticCredentials = nil
        default:
            throw OptionError(
                "'accessKeyID' and 'secretAccessKey' go together", at: options.location(of: Self.credentials))
        }
        clientTLS = try ClientTLS(options[Self.clientTLS])
    }

    /// Returns the configuration of the HTTP client.
    ///
    /// - Parameter connections: the maximum number of connections to one host.
    func configuration(connections: Int = 8) -> HTTPClient.Configuration {
        clientTLS.configuration(connections: connections)
    }

    /// Returns the provider of credentials.
    func provider(_ transport: HTTPTransport) -> any CredentialsProvider {
        staticCredentials.map { StaticCredentials($0) }
            ?? CredentialsChain(.system(transport: transport), profile: profile, region: region)
    }
}
