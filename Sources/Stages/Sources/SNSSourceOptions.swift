import AWS
import HTTP
import PipelineKit
import Wire

/// The options of the `sns` source, parsed.
struct SNSSourceOptions: Sendable {
    private static let topicARN = Option("topicArn", TopicARN.type, help: "the topic")
    private static let listen = Option(
        "listen", .listenAddress, default: defaultListen, shown: ":6700", help: "where notifications are taken")
    private static let path = Option("path", pathType, default: "/api/v2/aws/sns", help: "the path they are taken at")
    private static let publicURL = Option(
        optional: "publicURL", .httpAddress,
        help: "the URL, without path, at which SNS reaches this gateway; needed to subscribe")
    static let certificate = Option("certificate", .path, help: "file with the certificate and its chain, PEM")
    static let key = Option("key", .path, help: "file with the private key, PEM")
    static let tls = Option(
        optional: "tls", .group("tls", [certificate, key]), help: "listen with TLS, showing this certificate")
    private static let subscribe = Option(
        "subscribe", .bool, default: true,
        help: "whether to subscribe to the topic; false where somebody else looks after the subscription")
    private static let uniquePath = Option(
        "uniquePath", .bool, default: false,
        help: "whether every start subscribes under a path of its own (path/EPOCHSECONDS), as the original gateway did")
    private static let unsubscribeOld = Option(
        "unsubscribeOld", .bool, default: true,
        help: "whether to end subscriptions of earlier paths below path, once this one is confirmed")
    private static let unsubscribeOnStop = Option(
        "unsubscribeOnStop", .bool, default: false,
        help: "whether to end the subscription at shutdown; what is published while nobody is subscribed is lost")
    private static let deliveryPolicy = Option(
        "deliveryPolicy", .json, default: defaultDeliveryPolicy, shown: "50 tries over half an hour",
        help: "the subscription's DeliveryPolicy as a map, as in Amazon's documentation; an empty map leaves it to SNS")
    private static let environment = Option(
        optional: "environment", .string,
        help: "what the attribute scytale.env of a notification has to be; others are refused")
    private static let verifySignature = Option(
        "verifySignature", .bool, default: true,
        help: "whether signatures are verified; false lets anybody write who reaches the listener")
    static let trustedCertificateURLs = Option(
        "trustedCertificateURLs", .list(of: .string), default: [],
        help: "prefixes of URLs beside Amazon's own from which signing certificates are fetched, for a local SNS")
    private static let waitForDNS = Option(
        "waitForDNS", .duration, default: .zero, shown: "0s",
        help: "how long to wait for the host of publicURL to have an address before subscribing")
    static let maxBodyBytes = Option(
        "maxBodyBytes", .byteCount, default: 1 << 20, shown: "1MiB", help: "the largest body that is taken")
    private static let answerWithin = Option(
        "answerWithin", .duration, default: .seconds(10), shown: "10s",
        help:
            "how long SNS is held until its message is delivered, before it is told to send it again; SNS itself waits 15s"
    )
    static let keyField = Option(
        "key", .fieldPath, default: defaultKeyField, shown: "config.url",
        help: "the field whose value messages are kept in order by; the message's id where it is missing")

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
    /// The path that notifications are taken at, without what makes it unique.
    let path: String
    let publicURL: HTTPAddress?
    let subscribes: Bool
    let usesUniquePath: Bool
    let unsubscribesOld: Bool
    let unsubscribesOnStop: Bool
    /// JSON; nil to leave it to SNS.
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

    // The values are constants that are known to be good; the tests make each of them.
    private static var defaultListen: ListenAddress { ListenAddress(":6700")! }
    static var defaultKeyField: FieldPath { FieldPath("config.url")! }

    /// Tries for about half an hour: a minute close together, then longer apart (SNS developer guide, "Message delivery retries";
    /// the sum stays under the 3,600 s it allows).
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
    /// Any map, as the JSON it stands for.
    static let json = OptionType("map") { node, diagnostics in
        guard case .map = node.content else {
            diagnostics.error("a map is expected here, \(node.kindName) stands here", at: node.location)
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
