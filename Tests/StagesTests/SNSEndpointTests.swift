import AWS
import Foundation
import HTTP
import Telemetry
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Stages

/// The endpoint behind the listener: what each request is answered, and what reaches the pipeline.
@Suite struct SNSEndpointTests {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:t"
    private static let signer: SNSSigner = {
        do { return try SNSSigner() } catch { fatalError("no key can be made: \(error)") }
    }()

    /// A source that hands its intake out and ends when it is told to.
    private final class Opening: Source {
        static let declaration = StageDeclaration(name: "opening", summary: "", example: "")
        let body: @Sendable (Intake) async throws -> Void
        init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
        init(_ body: @escaping @Sendable (Intake) async throws -> Void) { self.body = body }
        func run(into intake: Intake) async throws { try await body(intake) }
        func stop() async {}
    }

    private final class Answering: Sink {
        static let declaration = StageDeclaration(name: "answering", summary: "", example: "")
        let capabilities = SinkCapabilities()
        let outcome: WriteOutcome
        let messages = Protected<[Message]>([])
        init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
        init(_ outcome: WriteOutcome) { self.outcome = outcome }
        func write(_ batch: [Message]) async -> [WriteOutcome] {
            messages.with { $0 += batch }
            return batch.map { _ in outcome }
        }
    }

    /// Posts to an endpoint with options, in front of a sink that answers one way.
    private func post(
        _ body: Data, options: String = "", outcome: WriteOutcome = .delivered, method: String = "POST",
        path: String = "/api/v2/aws/sns",
        headers: HeaderFields = [:]
    ) async throws -> (ServerResponse, [Message]) {
        let read = try StageMaker.options(
            SNSSource.self, "{topicArn: \"\(Self.topic)\", subscribe: false, answerWithin: 10m\(options)}")
        let parsed = try SNSSourceOptions(read)
        let context = StageMaker.context()
        let verifier = SNSVerifier(
            policy: try CertificateURLPolicy(),
            transport: HTTPTransport { _, _, _ in .init(status: 200, body: Array(Self.signer.certificate.utf8)) })
        let response = Protected<ServerResponse?>(nil)
        let sink = Answering(outcome)
        let source = Opening { intake in
            let endpoint = SNSEndpoint(
                options: parsed, context: context, metrics: SNSSourceMetrics(context), verifier: verifier,
                subscription: nil,
                intake: intake)
            let answer = await withCheckedContinuation { continuation in
                endpoint.answer(.init(method: method, path: path, query: nil, headers: headers, body: Array(body))) {
                    continuation.resume(returning: $0)
                }
            }
            response.with { $0 = answer }
        }
        let pipeline = Pipeline(
            name: "test", source: source, steps: [], sink: sink, sinkName: "sink",
            settings: RunnerSettings(lanes: 1, retry: RetryPolicy(initial: .zero, max: .zero, maxElapsed: .zero)),
            logger: StageMaker.logger, metrics: SilentMetrics(), now: { .now() })
        try await pipeline.run()
        return (try #require(response.with { $0 }), sink.messages.with { $0 })
    }

    private func notification(_ change: (inout SNSSigner.Envelope) -> Void = { _ in }) throws -> Data {
        var envelope = SNSSigner.Envelope()
        envelope.topic = Self.topic
        envelope.message = #"{"config":{"url":"http://a/"},"events":["e"]}"#
        change(&envelope)
        return try Self.signer.sign(envelope)
    }

    @Test func aNotificationBecomesAMessage() async throws {
        let (response, messages) = try await post(
            try notification {
                $0.id = "the-id"
                $0.attributes = ["scytale.env": "dev"]
            }, options: ", environment: dev")
        #expect(response.status == 200)
        let message = try #require(messages.first)
        #expect(message.id == "the-id" && message.key == "http://a/" && message.topic == Self.topic)
        #expect(message.attributes == ["scytale.env": "dev"])
        #expect(message.publishedAt == Timestamp(seconds: 1_767_225_600))
        #expect(message.payload.bytes(at: .now()).text == #"{"config":{"url":"http://a/"},"events":["e"]}"#)
    }

    @Test func theAnswerFollowsTheReceipt() async throws {
        #expect(try await post(try notification(), outcome: .expired).0.status == 200)
        let (again, _) = try await post(
            try notification(), outcome: .transient(reason: "Argus is away", retryAfter: .seconds(9)))
        #expect(again.status == 503 && again.headers["Retry-After"] == "9" && again.body.text == "Argus is away\n")
        let (refused, _) = try await post(try notification(), outcome: .permanent(reason: "Argus answered 400"))
        #expect(refused.status == 400 && refused.body.text == "sink: Argus answered 400\n")
    }

    @Test func whatCanNeverSucceedIsRefusedAndReachesNothing() async throws {
        let cases: [(Data, String, Int)] = [
            (Data("hello".utf8), "", 400), (Data("{}".utf8), "", 400),
            (try notification { $0.topic = "arn:aws:sns:us-east-1:000000000000:other" }, "", 403),
            (try notification { $0.certURL = "https://evil.example/cert.pem" }, "", 403),
            (try notification(), ", environment: prod", 403),
            (try notification { $0.attributes = ["scytale.env": "dev"] }, ", environment: prod", 403),
        ]
        for (body, options, status) in cases {
            let (response, messages) = try await post(body, options: options)
            #expect(response.status == status)
            #expect(response.body.count > 10)
            #expect(messages.isEmpty)
        }
        var tampered = try #require(String(data: try notification(), encoding: .utf8))
        tampered = tampered.replacingOccurrences(of: "\"events", with: "\"other\\\":1,\\\"events").replacingOccurrences(
            of: "http:", with: "https:")
        let (response, messages) = try await post(Data(tampered.utf8))
        #expect(response.status == 403 || response.status == 400)
        #expect(messages.isEmpty)
    }

    @Test func otherPathsAndMethodsAreToldSo() async throws {
        #expect(try await post(try notification(), path: "/other").0.status == 404)
        #expect(try await post(try notification(), path: "/api/v2/aws/sns/123").0.status == 404)
        let (response, _) = try await post(try notification(), method: "GET")
        #expect(response.status == 405 && response.headers["Allow"] == "POST")
    }

    @Test func theOldPathsOfUniqueOnesAreStillTaken() async throws {
        #expect(
            try await post(try notification(), options: ", uniquePath: true", path: "/api/v2/aws/sns/123").0.status
                == 200)
        #expect(
            try await post(try notification(), options: ", uniquePath: true", path: "/api/v2/aws/sns/x").0.status == 404
        )
    }

    @Test func aRawMessageIsTakenOnlyWhereSignaturesAreNotAskedFor() async throws {
        let body = Data(#"{"config":{"url":"http://a/"}}"#.utf8)
        let headers: HeaderFields = [
            "x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": Self.topic,
            "x-amz-sns-message-id": "raw-1",
        ]
        #expect(try await post(body, headers: headers).0.status == 403)
        let (response, messages) = try await post(body, options: ", verifySignature: false", headers: headers)
        #expect(response.status == 200)
        #expect(messages.first?.id == "raw-1" && messages.first?.key == "http://a/")
        var other = headers
        other["x-amz-sns-topic-arn"] = "arn:aws:sns:us-east-1:000000000000:other"
        #expect(try await post(body, options: ", verifySignature: false", headers: other).0.status == 403)
    }

    @Test func withoutVerificationAnybodysWordIsTaken() async throws {
        let body = try notification {
            $0.certURL = "https://evil.example/cert.pem"
        }
        #expect(try await post(body, options: ", verifySignature: false").0.status == 200)
    }
}
