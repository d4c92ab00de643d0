import AWS
import ArgusStore
import HTTP
import Webhooks
import Wire
import YAML

/// Something that reads what strangers send, and has to survive anything.
package struct FuzzTarget: Sendable {
    /// Its name, as `Tests/fuzz` takes it.
    package let name: String
    /// Good inputs, to begin from.
    package let corpus: [[UInt8]]
    /// Reads an input; ends the process where something does not hold that has to.
    package let run: @Sendable ([UInt8]) async -> Void

    /// All of them.
    package static let all = [
        yaml, envelope, webhook, stages, duration, dateTime, argus, url, certificate, request, response,
    ]

    init(name: String, corpus: [[UInt8]], run: @escaping @Sendable ([UInt8]) async -> Void) {
        (self.name, self.corpus, self.run) = (name, corpus, run)
    }

    init(name: String, corpus: [String], run: @escaping @Sendable ([UInt8]) async -> Void) {
        self.init(name: name, corpus: corpus.map { Array($0.utf8) }, run: run)
    }

    private static let yaml = FuzzTarget(
        name: "yaml",
        corpus: [
            "a: 1\nb: [x, {y: z}]\n", "base: &b {a: 1}\nx: {<<: *b, c: 'd'}\n", "k: |\n  text\n  more\n? - a\n: b\n",
            "- !!str 5\n- \"\\u00e9\\n\"\n- ~\n- .5e3\n",
            "source: stdin\nstages: [{filter: {sample: 10}}]\nsink: drop\n",
        ]
    ) { bytes in
        let (root, problems) = YAMLParser.parse(bytes)
        precondition(root != nil || !problems.isEmpty, "neither a tree nor a problem")
        for problem in problems { precondition(problem.mark.line >= 1 && problem.mark.column >= 1) }
    }

    private static let envelope = FuzzTarget(
        name: "envelope",
        corpus: [
            #"{"Type":"Notification","MessageId":"1","TopicArn":"t","Subject":"s","Message":"{\"a\":1}","Timestamp":"2026-01-01T00:00:00Z","SignatureVersion":"1","Signature":"AA==","SigningCertURL":"https://sns.us-east-1.amazonaws.com/a.pem","MessageAttributes":{"x":{"Type":"String","Value":"y"}}}"#,
            #"{"Type":"SubscriptionConfirmation","MessageId":"1","Token":"k","TopicArn":"t","Message":"m","SubscribeURL":"https://x/"}"#,
        ]
    ) { bytes in
        guard let envelope = try? SNSEnvelope(json: bytes) else { return }
        precondition(!envelope.messageID.isEmpty && !envelope.topicARN.isEmpty)
        if let policy = try? CertificateURLPolicy(), policy.allows(envelope.signingCertURL) {
            precondition(envelope.signingCertURL.hasPrefix("https://sns.") && envelope.signingCertURL.hasSuffix(".pem"))
        }
    }

    private static let webhook = FuzzTarget(
        name: "webhook",
        corpus: [
            #"{"config":{"url":"http://a/","content_type":"x","secret":"s","alt_urls":["b"]},"failure_url":"","events":["e"],"matcher":{"device_id":["d"]},"duration":300000000000,"until":"2026-01-01T00:05:00Z","registered_from_address":"10.1.2.3"}"#,
            #"[{"config":{"url":"http://a/\ud83d\ude00"},"events":["e"],"duration":"1h30m"}]"#,
            #"{"config":{"url":"x"},"events":["e"],"duration":300,"until":1767225900}"#,
        ]
    ) { bytes in
        let now = Timestamp(seconds: 1_767_225_600)
        for schema in ItemSchema.allCases {
            guard let webhook = try? Webhook(json: bytes, publishedAt: now, rules: WebhookRules()) else { return }
            precondition(
                !webhook.url.isEmpty && !webhook.events.isEmpty && !webhook.deviceIDs.isEmpty && webhook.duration > 0)
            let data = webhook.itemData(partnerIDs: ["p"], schema: schema)
            let item = ArgusItem(
                id: ArgusItem.id(ofURL: webhook.url), owner: "", data: data,
                lifetime: ItemLifetime(end: webhook.until.timestamp))
            precondition(item.id.utf8.count == 64)
            precondition((try? JSONReader.read(item.body(at: now)) { try $0.skip() }) != nil, "the item is not JSON")
        }
    }

    private static let duration = FuzzTarget(
        name: "duration", corpus: ["5m", "1h30m", "1.5h", "-2s", "250ms", "1µs", "0", "9223372036854775807ns", ".5s"]
    ) { bytes in
        guard let nanoseconds = GoDuration.nanoseconds(bytes.text) else { return }
        precondition(GoDuration.nanoseconds(GoDuration.format(nanoseconds: nanoseconds)) == nanoseconds)
    }

    private static let dateTime = FuzzTarget(
        name: "date-time",
        corpus: [
            "2026-01-01T00:05:00Z", "2026-01-01T02:05:00.123456789+02:00", "0000-01-01T00:00:00-23:59",
            "9999-12-31T23:59:59,9Z",
        ]
    ) { bytes in
        guard let value = RFC3339.parse(bytes.text) else { return }
        let text = RFC3339.format(value)
        // A year that falls outside 0 to 9999 in UTC is still written by its own offset, and read again.
        precondition(RFC3339.parse(text) == value, "\(text) reads as another time")
    }

    private static let argus = FuzzTarget(
        name: "argus",
        corpus: [
            "PUT webhooks \(id)\n{\"id\":\"\(id)\",\"data\":{\"a\":{\"b\":[1]}},\"ttl\":300}", "GET webhooks \n",
            "DELETE webhooks \(id)\n",
            "GET a-b \(id)\n",
        ]
    ) { bytes in
        let parts = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        let words = String(decoding: parts[0], as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
            .map(String.init)
        let path = "/api/v1/store/" + words.dropFirst().joined(separator: "/")
        guard let store = try? ItemStore(), let settings = try? ArgusService.Settings() else { return }
        let service = ArgusService(store: store, settings: settings)
        let response = await service.answer(
            .init(method: words[0], path: path, body: parts.count > 1 ? Array(parts[1]) : []))
        precondition([200, 201, 400, 403, 404, 405].contains(response.status), "status \(response.status)")
        if response.contentType == "application/json" {
            precondition((try? JSONReader.read(response.body) { try $0.skip() }) != nil, "the answer is not JSON")
        }
    }

    private static let id = String(repeating: "a1", count: 32)
}
