import AWS
import HTTP
import PipelineKit
import Wire

/// The parsed options of the `sns` source.
struct SNSSourceOptions: Sendable {
    private static let topicARN = Option("topicArn", TopicARN.type, help: "the topic")
    private static let listen = Option(
        "listen", .listenAddress, default: defaultListen, shown: ":6700", help: "the address to listen on")
    private static let path = Option("path", pathType, default: "/api/v2/aws/sns", help: "the path for notifications")
    private static let publicURL = Option(
        optional: "publicURL", .httpAddress,
        help: "the URL, without path, at which SNS reaches this gateway; needed to subscribe")
    static let certificate = Option("certificate", .path, help: "file with the certificate and its chain, PEM")
    static let key = Option("key", .path, help: "file with the private key, PEM")
    static let tls = Option(
        optional: "tls", .group("tls", [certificate, key]), help: "listen with TLS, with this certificate")
    private static let subscribe = Option(
        "subscribe", .bool, default: true,
        help: "whether to subscribe to the topic; false if the subscription is managed elsewhere")
    private static let uniquePath = Option(
        "uniquePath", .bool, default: false,
        help: "whether every start subscribes with a unique path (path/EPOCHSECONDS), as the original gateway did")
    private static let unsubscribeOld = Option(
        "unsubscribeOld", .bool, default: true,
        help: "whether to remove subscriptions of earlier unique paths when this one is confirmed")
    private static let unsubscribeOnStop = Option(
        "unsubscribeOnStop", .bool, default: false,
        help: "whether to unsubscribe at shutdown; what is published meanwhile is lost")
    private static let deliveryPolicy = Option(
        "deliveryPolicy", .json, default: defaultDeliveryPolicy, shown: "50 tries over half an hour",
        help: "the subscription's DeliveryPolicy as a map, as in Amazon's documentation; an empty map for SNS's default"
    )
    private static let environment = Option(
        optional: "environment", .string,
        help: "the required attribute scytale.env of notifications; others are refused")
    private static let verifySignature = Option(
        "verifySignature", .bool, default: true,
        help: "whether signatures are verified; if not, anybody who reaches the listener can write")
    static let trustedCertificateURLs = Option(
        "trustedCertificateURLs", .list(of: .string), default: [],
        help: "additional URL prefixes from which signing certificates are fetched, for a local SNS")
    private static let waitForDNS = Option(
        "waitForDNS", .duration, default: .zero, shown: "0s",
        help: "how long to wait for the host of publicURL to have an address before subscribing")
    static let maxBodyBytes = Option(
        "maxBodyBytes", .byteCount, default: 1 << 20, shown: "1MiB", help: "the maximum size of a body")
    private static let answerWithin = Option(
        "answerWithin", .duration, default: .seconds(10), shown: "10s",
        help:
            "how long a request waits for its message to be delivered before SNS is told to retry; SNS itself waits 15s"
    )
    static let keyField = Option(
        "key", .fieldPath, default: defaultKeyField, shown: "config.url",
        help: "the field that orders messages; by default the message's id")

    static let declarations: [any OptionDeclaration] =
        [
            topicARN, publicURL, listen, path, tls, subscribe, uniquePath, unsubscribeOld, unsubscribeOnStop,
            deliveryPolicy, environment, verifySignature, trustedCertificateURLs, waitForDNS, maxBodyBytes,
            answerWithin,
            keyField,
        ] + AWSClientOptions.options

    let topicARN: String
    let aws: AWSClientOptions
    let listen: ListenAddress
    let tls: ServerTLS?
    /// The path for notifications, without its unique suffix.
    let path: String
    let publicURL: HTTPAddress?
    let subscribes: Bool
    let usesUniquePath: Bool
    let unsubscribesOld: Bool
    let unsubscribesOnStop: Bool
    /// The delivery policy as JSON; nil for SNS's default.
    let deliveryPolicy: String?
    let environment: String?
    let verifiesSignature: Bool
    let certificatePolicy: CertificateURLPolicy
    let waitForDNS: Duration
    let maxBodyBytes: Int
    let answerWithin: Duration
    let keyField: FieldPath

    init(_ options: Options) throws {
        let topic = options[Self.topicARN]
        topicARN = topic.description
        aws = try AWSClientOptions(options, regionNamed: topic.region)
        listen = options[Self.listen]
        tls = options[Self.tls].map { ServerTLS(certificate: $0[Self.certificate], key: $0[Self.key]) }
        path = options[Self.path]
        publicURL = options[Self.publicURL]
        subscribes = options[Self.subscribe]
        guard !subscribes || publicURL != nil else {
            throw OptionError(
                "to subscribe, 'publicURL' is needed: the URL at which SNS reaches this gateway; or set 'subscribe: false'"
            )
        }
        usesUniquePath = options[Self.uniquePath]
        unsubscribesOld = options[Self.unsubscribeOld]
        unsubscribesOnStop = options[Self.unsubscribeOnStop]
        deliveryPolicy = options[Self.deliveryPolicy] == "{}" ? nil : options[Self.deliveryPolicy]
        environment = options[Self.environment]
        verifiesSignature = options[Self.verifySignature]
        do {
            certificatePolicy = try CertificateURLPolicy(trustedPrefixes: options[Self.trustedCertificateURLs])
        } catch {
            throw OptionError("trustedCertificateURLs: \(error)", at: options.location(of: Self.trustedCertificateURLs))
        }
        waitForDNS = options[Self.waitForDNS]
        maxBodyBytes = options[Self.maxBodyBytes]
        answerWithin = options[Self.answerWithin]
        keyField = options[Self.keyField]
    }

    // These constants are valid; the tests parse each of them.
    private static var defaultListen: ListenAddress { ListenAddress(":6700")! }
    static var defaultKeyField: FieldPath { FieldPath("config.url")! }

    /// Retries for about half an hour: frequently for a minute, then less often (SNS developer guide, "Message delivery
    /// retries"; the sum stays below its limit of 3,600 s).
    private static let defaultDeliveryPolicy = """
        {"healthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":60,"numRetries":50,"numNoDelayRetries":0,\
        "numMinDelayRetries":12,"numMaxDelayRetries":28,"backoffFunction":"linear"}}
        """

    static let pathType = OptionType<String>.string.map(named: "path") { text in
        guard text.hasPrefix("/"), !text.contains("?"), !text.contains("#"), !text.contains(" ") else {
            throw OptionError("'\(text)' is no path such as /api/v2/aws/sns")
        }
        return text.count > 1 && text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}

extension OptionType where Value == String {
    /// A map, as JSON.
    static let json = OptionType("map") { node, diagnostics in
        guard case .map = node.content else {
            diagnostics.error("expected a map, found \(node.kindName)", at: node.location)
            return nil
        }
        return jsonText(of: node)
    }

    private static func jsonText(of node: ConfigNode) -> String {
        switch node.content {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .double(let value): value.isFinite ? String(value) : "null"
        case .string(let text): JSONWriter.quoted(text)
        case .list(let nodes): "[\(nodes.map(jsonText).joined(separator: ","))]"
        case .map(let entries):
            "{\(entries.map { "\(JSONWriter.quoted($0.key)):\(jsonText(of: $0.value))" }.joined(separator: ","))}"
        }
    }
}
