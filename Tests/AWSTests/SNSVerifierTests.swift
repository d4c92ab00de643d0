import AWS
import Foundation
import Locking
import TestSupport
import Testing
import Wire

@Suite struct SNSVerifierTests {
    /// Answers every request with one certificate, and counts.
    private final class Certificates: Sendable {
        let requests = Protected<[String]>([])
        let body: Protected<String>
        init(_ pem: String) { body = Protected(pem) }
        var transport: HTTPTransport {
            HTTPTransport { request, _, _ in
                self.requests.with { $0.append(request.url) }
                await Task.yield()
                let body = self.body.with { $0 }
                return .init(status: body.isEmpty ? 404 : 200, body: Array(body.utf8))
            }
        }
    }

    private static let signer: SNSSigner = {
        do { return try SNSSigner() } catch { fatalError("no key can be made: \(error)") }
    }()

    private func verifier(_ certificates: Certificates, trusted: [String] = []) throws -> SNSVerifier {
        SNSVerifier(policy: try CertificateURLPolicy(trustedPrefixes: trusted), transport: certificates.transport)
    }

    private func envelope(_ change: (inout SNSSigner.Envelope) -> Void = { _ in }) throws -> SNSEnvelope {
        var envelope = SNSSigner.Envelope()
        envelope.message = #"{"a":"é\n"}"#
        change(&envelope)
        return try SNSEnvelope(json: Array(try Self.signer.sign(envelope)))
    }

    @Test(arguments: ["1", "2"], [nil, "new webhook"]) func believesWhatIsSigned(version: String, subject: String?)
        async throws
    {
        let verifier = try verifier(Certificates(Self.signer.certificate))
        try await verifier.verify(
            try envelope {
                $0.version = version
                $0.subject = subject
            })
        try await verifier.verify(
            try envelope {
                $0.version = version
                $0.type = "SubscriptionConfirmation"
                $0.token = "t"
                $0.subscribeURL = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"
            })
    }

    @Test func believesNothingThatWasChanged() async throws {
        let verifier = try verifier(Certificates(Self.signer.certificate))
        let changes: [(inout SNSEnvelope) -> Void] = [
            { $0.message += " " }, { $0.messageID += "x" }, { $0.topicARN += "x" }, { $0.timestamp += "x" },
            { $0.subject = "x" },
            { $0.signature = "" }, { $0.signature = "AAAA" }, { $0.signature = "%%%" }, { $0.signatureVersion = "3" },
            { $0.signatureVersion = "2" },
        ]
        for change in changes {
            var changed = try envelope()
            change(&changed)
            await #expect(throws: SNSVerifier.Failure.self) { try await verifier.verify(changed) }
        }
    }

    @Test(arguments: [
        "http://sns.us-east-1.amazonaws.com/cert.pem", "https://sns.us-east-1.amazonaws.com.evil.example/cert.pem",
        "https://evil.example/cert.pem", "https://evil.example/sns.us-east-1.amazonaws.com/cert.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/cert.pem",
        "https://sns.us-east-1.amazonaws.com:8080/cert.pem",
        "https://sns.us-east-1.amazonaws.com/cert.txt", "https://sns.us-east-1.amazonaws.com/cert.pem?x=.pem",
        "https://sns.us-east-1.amazonaws.com/cert.pem#.pem", "https://sns..amazonaws.com/cert.pem",
        "https://sns.a.b.amazonaws.com/cert.pem", "https://s3.us-east-1.amazonaws.com/cert.pem",
        "HTTPS://sns.us-east-1.amazonaws.com/cert.pem", "https://sns.us-east-1.amazonaws.com/../cert.pem",
        "https://sns.us-east-1.amazonaws.com//evil.example/cert.pem",
        "https://sns.us-east-1.amazonaws.com\\@evil.example/cert.pem",
        "https://sns.us-east-1.amazonaws.com/%2e%2e/cert.pem", "file:///etc/cert.pem",
        "http://127.0.0.1:4100.evil.example/cert.pem",
        "http://127.0.0.1:4100/_aws/snsx/cert.pem", "http://127.0.0.1:4100/_aws/sns/../../cert.pem", "",
    ])
    func fetchesNothingFromElsewhere(url: String) async throws {
        let certificates = Certificates(Self.signer.certificate)
        let verifier = try verifier(certificates, trusted: ["http://127.0.0.1:4100/_aws/sns/"])
        let forged = try envelope { $0.certURL = url }
        await #expect(throws: SNSVerifier.Failure.forged("SigningCertURL is not a trusted URL")) {
            try await verifier.verify(forged)
        }
        #expect(certificates.requests.with { $0 }.isEmpty)
    }

    @Test(arguments: [
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123abc.pem",
        "http://127.0.0.1:4100/_aws/sns/SimpleNotificationService-0123abc.pem",
    ])
    func fetchesFromAmazonAndWhatIsTrusted(url: String) async throws {
        let certificates = Certificates(Self.signer.certificate)
        try await verifier(certificates, trusted: ["http://127.0.0.1:4100/_aws/sns/"]).verify(
            try envelope { $0.certURL = url })
        #expect(certificates.requests.with { $0 } == [url])
    }

    @Test func callersAtTheSameTimeShareOneFetch() async throws {
        let certificates = Certificates(Self.signer.certificate)
        let verifier = try verifier(certificates)
        let envelope = try envelope()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { try await verifier.verify(envelope) } }
            try await group.waitForAll()
        }
        #expect(certificates.requests.with { $0 }.count == 1)
    }

    @Test func aCertificateThatIsNotValidNowIsNotBelieved() async throws {
        for (from, until) in [(-7200.0, -3600.0), (3600, 7200)] {
            let signer = try SNSSigner(
                validFrom: Date(timeIntervalSinceNow: from), validUntil: Date(timeIntervalSinceNow: until))
            let verifier = try verifier(Certificates(signer.certificate))
            let envelope = try SNSEnvelope(json: Array(try signer.sign(SNSSigner.Envelope())))
            await #expect(throws: SNSVerifier.Failure.forged("the signing certificate is not valid at this time")) {
                try await verifier.verify(envelope)
            }
        }
    }

    @Test func aCertificateThatCannotBeHadIsAskedForLater() async throws {
        let certificates = Certificates("")
        let clock = Protected(Timestamp.now())
        let verifier = SNSVerifier(
            policy: try CertificateURLPolicy(), transport: certificates.transport, now: { clock.with { $0 } })
        let envelope = try envelope()
        for _ in 0..<3 {
            await #expect(
                throws: SNSVerifier.Failure.unavailable("the signing certificate cannot be fetched: status 404")
            ) {
                try await verifier.verify(envelope)
            }
        }
        #expect(certificates.requests.with { $0 }.count == 1)
        certificates.body.with { $0 = Self.signer.certificate }
        clock.with { $0 = $0 + .seconds(60) }
        try await verifier.verify(envelope)
    }

    @Test func whatIsKnownIsToldAtOnceOnTheCallersThread() async throws {
        let certificates = Certificates(Self.signer.certificate)
        let verifier = try verifier(certificates)
        let good = try envelope()
        var forged = good
        forged.message += " "
        var elsewhere = good
        elsewhere.signingCertURL = "https://evil.example/cert.pem"
        // The certificate is not at hand yet: this one is told later.
        await withCheckedContinuation { continuation in
            verifier.verify(good) { result in
                #expect(throws: Never.self) { try result.get() }
                continuation.resume()
            }
        }
        func told(_ envelope: SNSEnvelope) -> Result<Void, SNSVerifier.Failure>? {
            let told = Protected<Result<Void, SNSVerifier.Failure>?>(nil)
            let thread = pthread_self()
            verifier.verify(envelope) { result in
                #expect(pthread_equal(thread, pthread_self()) != 0)
                told.with { $0 = result }
            }
            return told.with { $0 }
        }
        #expect(throws: Never.self) { try #require(told(good)).get() }
        #expect(throws: SNSVerifier.Failure.forged("the signature does not match the signing certificate")) {
            try #require(told(forged)).get()
        }
        #expect(throws: SNSVerifier.Failure.forged("SigningCertURL is not a trusted URL")) {
            try #require(told(elsewhere)).get()
        }
        #expect(certificates.requests.with { $0 }.count == 1)
    }

    @Test func whoIsToldLaterSharesTheFetchToo() async throws {
        let certificates = Certificates(Self.signer.certificate)
        let verifier = try verifier(certificates)
        let envelope = try envelope()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        verifier.verify(envelope) { result in
                            if case .success = result {
                                continuation.resume(returning: true)
                            } else {
                                continuation.resume(returning: false)
                            }
                        }
                    }
                }
            }
            for await isGood in group { #expect(isGood) }
        }
        #expect(certificates.requests.with { $0 }.count == 1)
    }

    @Test(arguments: [
        ("rsa-1024.pem", "the signing certificate's key has 1024 bits, too few or too many"),
        ("rsa-8200.pem", "the signing certificate's key has 8200 bits, too few or too many"),
        ("ec.pem", "the signing certificate has no RSA key"),
        ("signatures.json", "SigningCertURL returned no valid certificate: no start line"),
    ])
    func aCertificateThatCannotBeTrustedIsSaid(name: String, reason: String) async throws {
        let text = try Data(contentsOf: Fixtures.directory.appendingPathComponent("certificates/\(name)"))
        let verifier = try verifier(Certificates(String(decoding: text, as: UTF8.self)))
        let envelope = try envelope()
        for _ in 0..<2 {
            await #expect(throws: SNSVerifier.Failure.unavailable(reason)) { try await verifier.verify(envelope) }
        }
    }

    @Test func theCertificatesKeptAreBounded() async throws {
        let certificates = Certificates(Self.signer.certificate)
        let verifier = try verifier(certificates)
        for round in 0..<2 {
            for index in 0..<40 {
                try await verifier.verify(
                    try envelope { $0.certURL = "https://sns.us-east-1.amazonaws.com/\(index).pem" })
            }
            // Had all been kept, the second round would ask for none.
            #expect(certificates.requests.with { $0 }.count == 40 * (round + 1))
        }
    }
}

@Suite struct SNSEnvelopeTests {
    @Test(arguments: [
        "", "hello", "[]", "{}", "5", #"{"Type":"Notification"}"#,
        #"{"Type":"Other","MessageId":"1","TopicArn":"t","Message":"m"}"#,
        #"{"type":"Notification","MessageId":"1","TopicArn":"t","Message":"m"}"#,
        #"{"Type":"SubscriptionConfirmation","MessageId":"1","TopicArn":"t","Message":"m"}"#,
        #"{"Type":"Notification","MessageId":1,"TopicArn":"t","Message":"m"}"#,
        #"{"Type":"Notification","MessageId":"1","TopicArn":"t","Message":{}}"#,
        #"{"Type":"Notification","MessageId":"1","TopicArn":"t","Message":"m"} x"#,
    ])
    func refusesWhatIsNone(body: String) {
        #expect(throws: EnvelopeError.self) { try SNSEnvelope(json: Array(body.utf8)) }
    }

    @Test func readsAttributesWithinBounds() throws {
        var envelope = SNSSigner.Envelope()
        envelope.attributes = ["scytale.env": "local-dev", "other": "x"]
        let signer = try SNSSigner()
        #expect(try SNSEnvelope(json: Array(try signer.sign(envelope))).attributes == envelope.attributes)
        envelope.attributes = Dictionary(uniqueKeysWithValues: (0..<101).map { ("a\($0)", "x") })
        let body = Array(try signer.sign(envelope))
        #expect(throws: EnvelopeError.self) { try SNSEnvelope(json: body) }
    }
}
