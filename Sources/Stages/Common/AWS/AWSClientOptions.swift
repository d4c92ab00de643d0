import AWS
import HTTP
import PipelineKit
import Wire

/// How a service of AWS is called: where, as whom, and with which certificates. What every stage that calls one shares.
struct AWSClientOptions: Sendable {
    private static let region = Option(
        optional: "region", .string, help: "the region; else the one that the ARN or the queue's URL names")
    private static let endpoint = Option(
        optional: "endpoint", .httpAddress, help: "the URL of the service; else Amazon's own of the region")
    private static let accessKeyID = Option(optional: "accessKeyID", .string, help: "the access key's id")
    private static let secretAccessKey = Option(optional: "secretAccessKey", .secret, help: "the secret key")
    private static let sessionToken = Option(
        optional: "sessionToken", .secret, help: "the token of temporary credentials")
    private static let profile = Option(optional: "profile", .string, help: "a profile of the shared credentials file")
    private static let credentials = Option(
        "credentials", .group("credentials", [accessKeyID, secretAccessKey, sessionToken, profile]), default: Options(),
        shown: "",
        help:
            "who calls the service; else the usual chain of environment, web identity, shared file, container and instance metadata"
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

    /// - Parameter named: the region that an ARN or a URL names.
    init(_ options: Options, regionNamed named: String?) throws {
        guard let region = options[Self.region] ?? named else {
            throw OptionError("no region is named: set 'region'")
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

    /// What a client of the network is made with.
    ///
    /// - Parameter connections: the most connections to one host.
    func configuration(connections: Int = 8) -> HTTPClient.Configuration {
        clientTLS.configuration(connections: connections)
    }

    /// Who calls.
    func provider(_ transport: HTTPTransport) -> any CredentialsProvider {
        staticCredentials.map { StaticCredentials($0) }
            ?? CredentialsChain(.system(transport: transport), profile: profile, region: region)
    }
}

/// The name of an SNS topic, as an option.
struct TopicARN: Sendable {
    let description: String
    let region: String

    init(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "sns", !parts[3].isEmpty, !parts[5].isEmpty else {
            throw OptionError("'\(text)' is no topic's ARN such as arn:aws:sns:us-east-1:000000000000:webhooks")
        }
        description = text
        region = String(parts[3])
    }

    static let type = OptionType<String>.string.map { try TopicARN($0) }
}

/// The URL of a queue, as an option: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, or that of another service.
struct QueueURL: Sendable {
    let description: String
    /// The region that Amazon's own host names; nil for another.
    let region: String?
    /// Whether it is a FIFO queue.
    var isFIFO: Bool { description.hasSuffix(".fifo") }

    init(_ text: String) throws {
        guard let address = HTTPAddress(text), address.description.utf8.split(separator: UInt8(ascii: "/")).count >= 3
        else {
            throw OptionError(
                "'\(text)' is no queue's URL such as https://sqs.us-east-1.amazonaws.com/123456789012/webhooks")
        }
        description = address.description
        let labels = address.host.split(separator: ".")
        region = labels.count > 3 && labels[0] == "sqs" ? String(labels[1]) : nil
    }

    static let type = OptionType<String>.string.map(named: "URL") { try QueueURL($0) }
}
