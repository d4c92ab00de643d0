public import Wire

/// A client for the calls of SQS that consumers and producers need, over its JSON protocol. Does not retry: callers
/// have a schedule of their own.
///
/// Source: Amazon SQS API reference, AWS JSON protocol 1.0.
public struct SQSClient: Sendable {
    /// A received message.
    public struct ReceivedMessage: Sendable, Equatable {
        public var id: String
        /// The handle to delete it with.
        public var receiptHandle: String
        public var body: String
        /// The publisher's attributes; binary ones in base 64.
        public var attributes: [String: String]
        /// When it was sent; nil if the queue does not report it.
        public var sentAt: Timestamp?
        /// How often it was received, including this time.
        public var receiveCount: Int
    }

    /// A message to send.
    public struct OutgoingMessage: Sendable, Equatable {
        public var body: String
        /// The attributes, all of type String.
        public var attributes: [String: String]

        public init(body: String, attributes: [String: String]) {
            self.body = body
            self.attributes = attributes
        }
    }

    /// The maximum number of entries in a batch.
    public static let maximumBatchCount = 10
    /// The maximum size of a batch with bodies and attributes in bytes: SQS's limit until August 2025 (1 MiB since).
    public static let maximumBatchBytes = 256 << 10
    private static let maximumResponseBytes = 8 << 20

    private let queueURL: String
    private let endpoint: String
    private let signer: SignatureV4
    private let credentials: any CredentialsProvider
    private let transport: HTTPTransport
    private let now: @Sendable () -> Timestamp

    /// Makes a client for a queue.
    ///
    /// - Parameter endpoint: the service's URL; by default the host of the queue's URL.
    public init(
        queueURL: String, region: String, endpoint: String?, credentials: any CredentialsProvider,
        transport: HTTPTransport, now: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        self.queueURL = queueURL
        // The calls report a malformed queue URL.
        let host = (try? WebURL(queueURL)).map { "\($0.scheme.rawValue)://\($0.authority)" }
        let url = endpoint ?? host ?? queueURL
        self.endpoint = url.hasSuffix("/") ? url : url + "/"
        signer = SignatureV4(service: "sqs", region: region)
        self.credentials = credentials
        self.transport = transport
        self.now = now
    }

    /// Receives messages, and waits for the first.
    ///
    /// - Parameters:
    ///   - maximum: 1 to 10.
    ///   - wait: whole seconds, at most 20.
    ///   - visibility: how long the messages are hidden from other consumers, in whole seconds.
    public func receive(maximum: Int, wait: Duration, visibility: Duration) async throws -> [ReceivedMessage] {
        let answer = try await call(
            "ReceiveMessage",
            [
                ("MaxNumberOfMessages", .integer(maximum)), ("WaitTimeSeconds", .integer(wait.components.seconds)),
                ("VisibilityTimeout", .integer(visibility.components.seconds)),
                ("AttributeNames", .array([.string("All")])),
                ("MessageSystemAttributeNames", .array([.string("All")])),
                ("MessageAttributeNames", .array([.string("All")])),
            ], within: wait + .seconds(10))
        guard case .array(let messages)? = answer["Messages"] else { return [] }
        return messages.compactMap { Self.received($0) }
    }

    private static func received(_ tree: JSONTree) -> ReceivedMessage? {
        guard let id = tree["MessageId"]?.text, let handle = tree["ReceiptHandle"]?.text else { return nil }
        var attributes: [String: String] = [:]
        if case .object(let members)? = tree["MessageAttributes"] {
            for member in members.prefix(100) {
                attributes[member.key] = (member.value["StringValue"] ?? member.value["BinaryValue"])?.text
            }
        }
        let system = tree["Attributes"]
        let sent = system?["SentTimestamp"]?.text.flatMap { Int64($0) }
        return ReceivedMessage(
            id: id, receiptHandle: handle, body: tree["Body"]?.text ?? "", attributes: attributes,
            sentAt: sent.map { Timestamp(seconds: 0) + .milliseconds($0) },
            receiveCount: system?["ApproximateReceiveCount"]?.text.flatMap { Int($0) } ?? 1)
    }

    /// Deletes messages, at most 10.
    ///
    /// - Returns: the results in order.
    public func delete(_ receiptHandles: [String]) async throws -> [BatchEntryResult] {
        try await batch("DeleteMessageBatch", receiptHandles.map { [.init("ReceiptHandle", .string($0))] })
    }

    /// Changes how long messages are hidden from other consumers, from now on; at most 10 messages.
    public func changeVisibility(_ receiptHandles: [String], to visibility: Duration) async throws -> [BatchEntryResult]
    {
        try await batch(
            "ChangeMessageVisibilityBatch",
            receiptHandles.map {
                [
                    .init("ReceiptHandle", .string($0)),
                    .init("VisibilityTimeout", .integer(visibility.components.seconds)),
                ]
            })
    }

    /// Sends messages, at most 10 and `maximumBatchBytes` in total.
    ///
    /// - Parameter groups: for a FIFO queue, the group that orders each message and its deduplication id.
    public func send(
        _ messages: [OutgoingMessage], groups: [(group: String, deduplication: String)]? = nil
    ) async throws -> [BatchEntryResult] {
        try await batch(
            "SendMessageBatch",
            messages.enumerated().map { index, message in
                var entry: [JSONTree.Member] = [.init("MessageBody", .string(message.body))]
                if !message.attributes.isEmpty {
                    let attributes = message.attributes.sorted { $0.key < $1.key }.map {
                        JSONTree.Member(
                            $0.key, .members(["DataType": .string("String"), "StringValue": .string($0.value)]))
                    }
                    entry.append(.init("MessageAttributes", .object(attributes)))
                }
                if let groups {
                    entry.append(.init("MessageGroupId", .string(groups[index].group)))
                    entry.append(.init("MessageDeduplicationId", .string(groups[index].deduplication)))
                }
                return entry
            })
    }

    /// Returns the approximate number of messages in the queue.
    public func approximateDepth() async throws -> Int {
        let answer = try await call(
            "GetQueueAttributes", [("AttributeNames", .array([.string("ApproximateNumberOfMessages")]))])
        return answer["Attributes"]?["ApproximateNumberOfMessages"]?.text.flatMap { Int($0) } ?? 0
    }

    private func batch(_ action: String, _ entries: [[JSONTree.Member]]) async throws -> [BatchEntryResult] {
        let numbered = entries.enumerated().map { index, members in
            JSONTree.object([.init("Id", .string("\(index)"))] + members)
        }
        let answer = try await call(action, [("Entries", .array(numbered))])
        var results = [BatchEntryResult](
            repeating: .failed(reason: "\(action): no answer for this entry", isSenderFault: false),
            count: entries.count)
        for (key, isDone) in [("Successful", true), ("Failed", false)] {
            guard case .array(let members)? = answer[key] else { continue }
            for member in members {
                guard let index = member["Id"]?.text.flatMap({ Int($0) }), results.indices.contains(index) else {
                    continue
                }
                results[index] =
                    isDone
                    ? .done
                    : .failed(
                        reason: "\(member["Code"]?.text ?? "unknown"): \(member["Message"]?.text ?? "no reason given")",
                        isSenderFault: member["SenderFault"] == .bool(true))
            }
        }
        return results
    }

    private func call(
        _ action: String, _ parameters: [(String, JSONTree)], within limit: Duration = .seconds(15)
    ) async throws -> JSONTree {
        guard let credentials = try await credentials.credentials() else {
            throw CredentialsError("there are no AWS credentials")
        }
        let members = [JSONTree.Member("QueueUrl", .string(queueURL))] + parameters.map { .init($0.0, $0.1) }
        let request = HTTPTransport.Request(
            "POST", endpoint,
            headers: [
                "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.\(action)",
            ], body: JSONTree.object(members).bytes)
        let signed = try signer.sign(request, credentials: credentials, at: now())
        let response = try await transport.send(signed, limit, Self.maximumResponseBytes)
        let tree = try? JSONTree(parsing: response.body.isEmpty ? Array("{}".utf8) : response.body)
        guard response.status == 200, let tree else {
            let type = tree?["__type"]?.text ?? ""
            let code = type.split(separator: "#").last.map(String.init) ?? ""
            let reason = (tree?["message"] ?? tree?["Message"])?.text ?? "no reason given"
            throw AWSServiceError(action: action, status: response.status, code: code, reason: reason)
        }
        return tree
    }
}
