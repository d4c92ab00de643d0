import Foundation
import HTTP
import TestServers
import TestSupport
import Testing

/// What integration tests run against. `Tests/run` starts LocalStack and says where it is; without it they are left out.
enum Cluster {
    static let sns = ProcessInfo.processInfo.environment["HECATE_TEST_SNS"] ?? ""
    static var isThere: Bool { !sns.isEmpty }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// Waits until something holds, ten minutes at most, so that a busy machine is no reason to fail.
    static func eventually(
        _ what: @autoclosure () -> String, within seconds: Double = 600, _ holds: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if try await holds() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Failure("it did not come to pass: \(what())")
    }

    static func request(
        _ method: String, _ url: String, headers: [String: String] = [:], body: Data? = nil
    ) async throws -> (status: Int, headers: [String: String], body: Data) {
        var fields = HeaderFields()
        for (name, value) in headers { fields.add(name, value) }
        let response = try await HTTPClient.once(method, url, headers: fields, body: body.map { Array($0) })
        let answered = Dictionary(
            response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { $1 })
        return (response.status, answered, Data(response.body))
    }

    /// Calls the query API of SNS.
    @discardableResult
    static func sns(_ action: String, _ parameters: [String: String]) async throws -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        let form = parameters.merging(["Action": action, "Version": "2010-03-31"]) { $1 }
            .map { "\($0.key)=\($0.value.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")" }.joined(
                separator: "&")
        let (status, _, body) = try await request(
            "POST", "\(sns)/", headers: ["Content-Type": "application/x-www-form-urlencoded"], body: Data(form.utf8))
        let text = String(decoding: body, as: UTF8.self)
        guard status == 200 else { throw Failure("\(action): \(status) \(text)") }
        return text
    }

    /// Makes a topic of its own for a test.
    static func makeTopic() async throws -> String {
        let name = "t-\(UUID().uuidString.lowercased())"
        try await sns("CreateTopic", ["Name": name])
        return "arn:aws:sns:us-east-1:000000000000:\(name)"
    }

    static func publish(_ message: String, to topic: String, environment: String? = nil) async throws {
        var parameters = ["TopicArn": topic, "Message": message, "Subject": "new webhook"]
        if let environment {
            parameters["MessageAttributes.entry.1.Name"] = "scytale.env"
            parameters["MessageAttributes.entry.1.Value.DataType"] = "String"
            parameters["MessageAttributes.entry.1.Value.StringValue"] = environment
        }
        try await sns("Publish", parameters)
    }

    /// The endpoints that are subscribed to a topic and confirmed.
    static func endpoints(of topic: String) async throws -> [String] {
        let answer = try await sns("ListSubscriptionsByTopic", ["TopicArn": topic])
        return answer.components(separatedBy: "<member>").dropFirst().compactMap { member in
            func text(_ tag: String) -> String? {
                member.components(separatedBy: "<\(tag)>").dropFirst().first?.components(separatedBy: "</\(tag)>").first
            }
            return text("SubscriptionArn")?.hasPrefix("arn:") == true ? text("Endpoint") : nil
        }
    }
}

/// A store in a process of its own.
struct ArgusProcess {
    let process: ChildProcess
    let port: Int
    var url: String { "http://127.0.0.1:\(port)" }

    init(port: Int? = nil, ownerPattern: String = "^.{4,60}$", arguments: [String] = []) async throws {
        let port = try port ?? FreePort.find()
        process = try ChildProcess(
            ChildProcess.hecate,
            ["argus", "--listen", "127.0.0.1:\(port)", "--auth", "user:pass", "--owner-pattern", ownerPattern]
                + arguments,
            name: "argus")
        self.port = port
        try await Cluster.eventually("argus listens") {
            (try? await Cluster.request("GET", "\(url)/api/v1/store/webhooks")) != nil
        }
    }

    /// The items of an owner.
    func items(owner: String = "Argus") async throws -> [[String: Any]] {
        let (status, _, body) = try await Cluster.request(
            "GET", "\(url)/api/v1/store/webhooks",
            headers: ["Authorization": "Basic dXNlcjpwYXNz", "X-Midt-Owner": owner])
        guard status == 200 else { throw Cluster.Failure("argus answers \(status)") }
        return try JSONSerialization.jsonObject(with: body) as? [[String: Any]] ?? []
    }
}

/// A gateway in a process of its own.
struct GatewayProcess {
    let process: ChildProcess
    let port: Int
    let operationsPort: Int
    var url: String { "http://127.0.0.1:\(port)/api/v2/aws/sns" }
    let file: URL

    /// Starts a gateway from SNS to a store.
    ///
    /// - Parameters:
    ///   - source: further options of the `sns` source, a line each.
    ///   - rest: further lines of the file.
    init(
        topic: String, argus: String, source: [String] = [], rest: String = "", port: Int? = nil, waits: Bool = true,
        timeout: String = "2s", logLevel: String = "trace"
    )
        async throws
    {
        let port = try port ?? FreePort.find()
        let operations = try FreePort.find()
        file = FileManager.default.temporaryDirectory.appendingPathComponent("gateway-\(UUID().uuidString).yaml")
        let options = [
            "topicArn: \(topic)", "listen: \"127.0.0.1:\(port)\"",
            "endpoint: \(Cluster.sns.isEmpty ? "http://127.0.0.1:9" : Cluster.sns)",
            "credentials: {accessKeyID: key, secretAccessKey: hunter2-aws}",
        ]
        let trusted =
            source.contains { $0.hasPrefix("trustedCertificateURLs") } || Cluster.sns.isEmpty
            ? [] : ["trustedCertificateURLs: [\"\(Cluster.sns)/_aws/sns/\"]"]
        let reached =
            source.contains { $0.hasPrefix("publicURL") || $0 == "subscribe: false" }
            ? [] : ["publicURL: http://127.0.0.1:\(port)"]
        let lines = (options + trusted + reached + source).map { "    \($0)" }.joined(separator: "\n")
        try """
        operations: {metrics: "127.0.0.1:\(operations)", health: "127.0.0.1:\(operations)"}
        source:
          sns:
        \(lines)
        stages:
          - transform: {argus-item: {owner: Argus, ownerPattern: "^.{4,60}$"}}
        sink:
          argus: {address: "\(argus)", auth: {basic: "user:pass"}, timeout: \(timeout)}
        \(rest)
        """.write(to: file, atomically: true, encoding: .utf8)
        process = try ChildProcess(
            ChildProcess.hecate, ["run", file.path, "--log-level", logLevel, "--log-format", "json"], name: "gateway")
        self.port = port
        operationsPort = operations
        if waits { try await waitUntilReady() }
    }

    func waitUntilReady() async throws {
        try await Cluster.eventually("the gateway is ready; it says \(process.output)") {
            await status("/ready") == 200
        }
    }

    func status(_ path: String) async -> Int {
        (try? await Cluster.request("GET", "http://127.0.0.1:\(operationsPort)\(path)").status) ?? 0
    }

    func metrics() async throws -> String {
        String(
            decoding: try await Cluster.request("GET", "http://127.0.0.1:\(operationsPort)/metrics").body, as: UTF8.self
        )
    }

    func post(_ body: Data, headers: [String: String] = [:]) async throws -> (
        status: Int, headers: [String: String], body: Data
    ) {
        try await Cluster.request("POST", url, headers: headers, body: body)
    }

    @discardableResult
    func stop() async -> Int32 {
        defer { try? FileManager.default.removeItem(at: file) }
        return await process.stop()
    }
}

/// A webhook record as the SNS-era Tr1d1um publishes it.
func webhook(_ url: String, lives seconds: Int = 3000) -> String {
    let until = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: Double(seconds)))
    return """
        {"config":{"url":"\(url)","content_type":"application/json","secret":"hunter2-webhook"},"failure_url":"","events":["e"],\
        "matcher":{"device_id":["d"]},"duration":\(seconds)000000000,"until":"\(until)","registered_from_address":"127.0.0.1"}
        """
}
