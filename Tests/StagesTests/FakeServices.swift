import Foundation
import HTTP
import TestSupport
import Wire

/// Servers that speak as much of their protocol as a stage needs, in this process. The real ones are in the integration tests.
enum FakeServices {
    /// A queue of SQS; what is taken is given to nobody else until its visibility timeout has passed.
    final class Queue: Sendable {
        private struct State {
            var waiting: [(id: String, body: String)] = []
            var taken: [String: (id: String, body: String, due: ContinuousClock.Instant)] = [:]
            var deleted: [String] = []
            var prolonged = 0
        }
        private let state = Protected(State())
        let isDown = Protected(false)

        private static func seconds(_ tree: JSONTree?) -> Duration {
            if case .number(let text)? = tree { .seconds(Int(text) ?? 0) } else { .seconds(30) }
        }

        func add(_ id: String, _ body: String) { state.with { $0.waiting.append((id, body)) } }
        var deleted: [String] { state.with { $0.deleted } }
        var bodies: [String] { state.with { $0.waiting.map(\.body) } }
        var prolonged: Int { state.with { $0.prolonged } }

        func answer(_ request: ServerRequest) async -> ServerResponse {
            guard !isDown.with({ $0 }) else { return .init(status: 503) }
            guard let body = try? JSONTree(parsing: request.body),
                let action = request.header("X-Amz-Target")?.split(separator: ".").last
            else { return .init(status: 400) }
            var entries: [JSONTree] = []
            if case .array(let elements)? = body["Entries"] { entries = elements }
            switch action {
            case "ReceiveMessage":
                let visibility = Self.seconds(body["VisibilityTimeout"])
                let batch = state.with { state in
                    for (handle, taken) in state.taken where taken.due <= .now {
                        state.taken[handle] = nil
                        state.waiting.append((taken.id, taken.body))
                    }
                    let batch = Array(state.waiting.prefix(10))
                    state.waiting.removeFirst(batch.count)
                    for message in batch {
                        state.taken["r-\(message.id)"] = (message.id, message.body, .now + visibility)
                    }
                    return batch
                }
                // No long polling: who asked and has gone would be given what comes later.
                if batch.isEmpty { try? await Task.sleep(for: .milliseconds(10)) }
                return json(
                    .members([
                        "Messages": .array(
                            batch.map { message in
                                .members([
                                    "MessageId": .string(message.id), "ReceiptHandle": .string("r-\(message.id)"),
                                    "Body": .string(message.body),
                                    "Attributes": .members([
                                        "SentTimestamp": .string("1767225600000"),
                                        "ApproximateReceiveCount": .string("1"),
                                    ]),
                                ])
                            })
                    ]))
            case "GetQueueAttributes":
                let count = state.with { $0.waiting.count }
                return json(
                    .members(["Attributes": .members(["ApproximateNumberOfMessages": .string("\(count)")])]))
            case "DeleteMessageBatch":
                state.with { state in
                    for entry in entries {
                        if let taken = state.taken.removeValue(forKey: entry["ReceiptHandle"]?.text ?? "") {
                            state.deleted.append(taken.id)
                        }
                    }
                }
            case "ChangeMessageVisibilityBatch":
                state.with { state in
                    state.prolonged += entries.count
                    for entry in entries {
                        state.taken[entry["ReceiptHandle"]?.text ?? ""]?.due =
                            .now + Self.seconds(entry["VisibilityTimeout"])
                    }
                }
            case "SendMessageBatch":
                for entry in entries { add(UUID().uuidString, entry["MessageBody"]?.text ?? "") }
            default: return .init(status: 400)
            }
            return json(
                .members([
                    "Successful": .array(entries.map { .members(["Id": $0["Id"] ?? .null]) }), "Failed": .array([]),
                ]))
        }
    }

    /// A topic of SNS that can be published to.
    final class Topic: Sendable {
        let published = Protected<[[String: String]]>([])
        let isDown = Protected(false)
        let failing = Protected<[String: String]>([:])

        func answer(_ request: ServerRequest) async -> ServerResponse {
            guard !isDown.with({ $0 }) else { return .init(status: 503) }
            var form: [String: String] = [:]
            for pair in String(decoding: request.body, as: UTF8.self).split(separator: "&") {
                let parts = pair.split(separator: "=", maxSplits: 1).map { String($0).removingPercentEncoding ?? "" }
                form[parts[0]] = parts.count > 1 ? parts[1] : ""
            }
            var members = (good: "", bad: "")
            let entries = form.keys.filter { $0.hasSuffix(".Id") }.sorted()
            for key in entries {
                let entry = String(key.dropLast(3))
                let id = form[key] ?? ""
                if let fault = failing.with({ $0[form["\(entry).Message"] ?? ""] }) {
                    members.bad +=
                        "<member><Id>\(id)</Id><Code>Bad</Code><Message>no</Message><SenderFault>\(fault)</SenderFault></member>"
                    continue
                }
                members.good += "<member><Id>\(id)</Id><MessageId>m</MessageId></member>"
                let own = form.filter { $0.key.hasPrefix(entry + ".") }
                published.with {
                    $0.append(Dictionary(own.map { (String($0.key.dropFirst(entry.count + 1)), $0.value) }) { $1 })
                }
            }
            let xml = """
                <PublishBatchResponse><PublishBatchResult><Successful>\(members.good)</Successful><Failed>\(members.bad)</Failed>\
                </PublishBatchResult></PublishBatchResponse>
                """
            return ServerResponse(status: 200, contentType: "text/xml", body: Array(xml.utf8))
        }
    }

    /// A bucket of Argus that can be listed and written to.
    final class Bucket: Sendable {
        let items = Protected<[(id: String, owner: String, data: String, end: Date)]>([])
        let isDown = Protected(false)

        private let start = Date()

        /// Puts an item that ends so many seconds after this bucket was made.
        func put(_ id: String, owner: String = "", _ data: String, ends: Double = 36_000) {
            items.with { items in
                items.removeAll { $0.id == id }
                items.append((id, owner, data, start + ends))
            }
        }

        func answer(_ request: ServerRequest) async -> ServerResponse {
            guard !isDown.with({ $0 }) else { return .init(status: 503) }
            if request.method == "PUT" { return .init(status: 201) }
            let owner = request.header("X-Midt-Owner") ?? ""
            let list = items.with { $0 }.filter { $0.owner == owner }.map { item in
                "{\"id\":\"\(item.id)\",\"data\":\(item.data),\"ttl\":\(Int(item.end.timeIntervalSinceNow))}"
            }
            return ServerResponse(
                status: 200, contentType: "application/json", body: Array("[\(list.joined(separator: ","))]".utf8))
        }
    }

    private static func json(_ tree: JSONTree) -> ServerResponse {
        ServerResponse(status: 200, contentType: "application/x-amz-json-1.0", body: tree.bytes)
    }
}
