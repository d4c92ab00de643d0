public import Wire

/// A client for the calls of the SNS query API that a subscriber needs. Retries transient failures with backoff.
///
/// Source: Amazon SNS API reference, version 2010-03-31.
public struct SNSClient: Sendable {
    /// A subscription in the result of `ListSubscriptionsByTopic`.
    public struct Subscription: Sendable, Equatable {
        /// The ARN, or `PendingConfirmation`.
        public var arn: String
        /// `http`, `https`, `sqs`, ...
        public var protocolName: String
        public var endpoint: String
    }

    /// A message to publish.
    public struct Publication: Sendable, Equatable {
        public var message: String
        /// The subject; nil for none.
        public var subject: String?
        /// The attributes, all of type String.
        public var attributes: [String: String]

        public init(message: String, subject: String?, attributes: [String: String]) {
            self.message = message
            self.subject = subject
            self.attributes = attributes
        }
    }

    /// The maximum number of messages of a `PublishBatch`.
    public static let maximumBatchCount = 10
    private static let maximumResponseBytes = 4 << 20
    /// The maximum number of pages of subscriptions, with 100 on each.
    private static let maximumPages = 1000
    private static let attempts = 4

    private let endpoint: String
    private let signer: SignatureV4
    private let credentials: any CredentialsProvider
    private let transport: HTTPTransport
    private let now: @Sendable () -> Timestamp
    private let pause: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - endpoint: the service's URL; nil for Amazon's in the region.
    ///   - pause: waits between attempts.
    public init(
        region: String, endpoint: String?, credentials: any CredentialsProvider, transport: HTTPTransport,
        now: @escaping @Sendable () -> Timestamp = { .now() },
        pause: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        let suffix = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        let url = endpoint ?? "https://sns.\(region).\(suffix)/"
        self.endpoint = url.hasSuffix("/") ? url : url + "/"
        signer = SignatureV4(service: "sns", region: region)
        self.credentials = credentials
        self.transport = transport
        self.now = now
        self.pause = pause
    }

    /// Requests a subscription. SNS then sends a confirmation to the endpoint.
    public func subscribe(
        topicARN: String, protocolName: String, endpoint: String, attributes: [String: String] = [:]
    ) async throws {
        var parameters = [("TopicArn", topicARN), ("Protocol", protocolName), ("Endpoint", endpoint)]
        for (index, attribute) in attributes.sorted(by: { $0.key < $1.key }).enumerated() {
            parameters.append(("Attributes.entry.\(index + 1).key", attribute.key))
            parameters.append(("Attributes.entry.\(index + 1).value", attribute.value))
        }
        _ = try await call("Subscribe", parameters)
    }

    /// Confirms a subscription with the token that its endpoint received.
    ///
    /// - Returns: the ARN of the subscription.
    public func confirmSubscription(topicARN: String, token: String) async throws -> String {
        let answer = try await call("ConfirmSubscription", [("TopicArn", topicARN), ("Token", token)])
        guard let arn = answer.text("SubscriptionArn"), arn.hasPrefix("arn:") else {
            throw AWSServiceError(
                action: "ConfirmSubscription", status: 200, code: "", reason: "answered without a subscription")
        }
        return arn
    }

    /// Lists all subscriptions of a topic.
    public func subscriptions(topicARN: String) async throws -> [Subscription] {
        var result: [Subscription] = []
        var next: String?
        for _ in 0..<Self.maximumPages {
            var parameters = [("TopicArn", topicARN)]
            if let next { parameters.append(("NextToken", next)) }
            let answer = try await call("ListSubscriptionsByTopic", parameters)
            for member in answer.first("Subscriptions")?.all("member") ?? [] {
                result.append(
                    Subscription(
                        arn: member.text("SubscriptionArn") ?? "", protocolName: member.text("Protocol") ?? "",
                        endpoint: member.text("Endpoint") ?? ""))
            }
            next = answer.text("NextToken").flatMap { $0.isEmpty ? nil : $0 }
            if next == nil { break }
        }
        return result
    }

    public func setSubscriptionAttribute(_ name: String, to value: String, subscriptionARN: String) async throws {
        _ = try await call(
            "SetSubscriptionAttributes",
            [("SubscriptionArn", subscriptionARN), ("AttributeName", name), ("AttributeValue", value)])
    }

    public func unsubscribe(subscriptionARN: String) async throws {
        _ = try await call("Unsubscribe", [("SubscriptionArn", subscriptionARN)])
    }

    /// Publishes messages, at most `maximumBatchCount` and 256 KiB in total. Does not retry.
    ///
    /// - Returns: the results in order.
    public func publish(_ messages: [Publication], topicARN: String) async throws -> [BatchEntryResult] {
        var parameters = [("TopicArn", topicARN)]
        for (index, message) in messages.enumerated() {
            let entry = "PublishBatchRequestEntries.member.\(index + 1)"
            parameters.append(("\(entry).Id", "\(index)"))
            parameters.append(("\(entry).Message", message.message))
            if let subject = message.subject { parameters.append(("\(entry).Subject", subject)) }
            for (number, attribute) in message.attributes.sorted(by: { $0.key < $1.key }).enumerated() {
                let name = "\(entry).MessageAttributes.entry.\(number + 1)"
                parameters.append(("\(name).Name", attribute.key))
                parameters.append(("\(name).Value.DataType", "String"))
                parameters.append(("\(name).Value.StringValue", attribute.value))
            }
        }
        let answer = try await callOnce("PublishBatch", parameters)
        var results = [BatchEntryResult](
            repeating: .failed(reason: "PublishBatch: no answer for this entry", isSenderFault: false),
            count: messages.count)
        for member in answer.first("Successful")?.all("member") ?? [] {
            if let index = member.text("Id").flatMap({ Int($0) }), results.indices.contains(index) {
                results[index] = .done
            }
        }
        for member in answer.first("Failed")?.all("member") ?? [] {
            guard let index = member.text("Id").flatMap({ Int($0) }), results.indices.contains(index) else { continue }
            results[index] = .failed(
                reason: "\(member.text("Code") ?? "unknown"): \(member.text("Message") ?? "no reason given")",
                isSenderFault: member.text("SenderFault") == "true")
        }
        return results
    }

    /// Checks that the topic exists and is accessible.
    public func checkTopic(_ topicARN: String) async throws {
        _ = try await call("GetTopicAttributes", [("TopicArn", topicARN)])
    }

    private func call(_ action: String, _ parameters: [(String, String)]) async throws -> XMLTree {
        var attempt = 1
        while true {
            do {
                return try await callOnce(action, parameters)
            } catch let error as AWSServiceError where !error.isTransient {
                throw error
            } catch {
                guard attempt < Self.attempts, !(error is CredentialsError), !(error is CancellationError) else {
                    throw error
                }
                try await pause(.milliseconds(200) * (1 << attempt) * Double.random(in: 0.5...1))
                attempt += 1
            }
        }
    }

    private func callOnce(_ action: String, _ parameters: [(String, String)]) async throws -> XMLTree {
        guard let credentials = try await credentials.credentials() else {
            throw CredentialsError("there are no AWS credentials")
        }
        let form = FormEncoding.form([("Action", action), ("Version", "2010-03-31")] + parameters)
        let request = HTTPTransport.Request(
            "POST", endpoint, headers: ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"],
            body: Array(form.utf8))
        let signed = try signer.sign(request, credentials: credentials, at: now())
        let response = try await transport.send(signed, .seconds(15), Self.maximumResponseBytes)
        let xml = XMLTree.parse(response.body)
        guard response.status == 200, let xml else {
            throw AWSServiceError(
                action: action, status: response.status, code: xml?.text("Code") ?? "",
                reason: xml?.text("Message") ?? "no reason given")
        }
        return xml
    }
}
