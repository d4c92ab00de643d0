public import Wire

/// A message that can never succeed as it is, with what a person needs to decide what to do with it.
public struct DeadLetter: Sendable {
    /// The message as the source received it, unchanged by any stage.
    public var message: Message
    public var pipeline: String
    /// The stage that refused it.
    public var stage: String
    /// Why the stage refused it.
    public var reason: String
    /// How often the sink was tried; 0 if a stage before the sink refused the message.
    public var attempts: Int
    /// When the message was received.
    public var first: Timestamp
    /// When the message was refused.
    public var last: Timestamp

    public init(
        message: Message, pipeline: String, stage: String, reason: String, attempts: Int, first: Timestamp,
        last: Timestamp
    ) {
        self.message = message
        self.pipeline = pipeline
        self.stage = stage
        self.reason = reason
        self.attempts = attempts
        self.first = first
        self.last = last
    }

    /// The dead letter as JSON, for a sink that stores dead letters. The payload is in `message` if it is UTF-8, else
    /// in `messageHex`.
    public var json: [UInt8] {
        var output: [UInt8] = []
        func add(_ name: StaticString, _ value: String, first: Bool = false) {
            output.append(UInt8(ascii: first ? "{" : ","))
            JSONWriter.append(string: "\(name)", to: &output)
            output.append(UInt8(ascii: ":"))
            JSONWriter.append(string: value, to: &output)
        }
        add("id", message.id, first: true)
        add("key", message.key)
        add("pipeline", pipeline)
        add("stage", stage)
        add("reason", reason)
        JSONWriter.append(",\"attempts\":", to: &output)
        JSONWriter.append(integer: Int64(attempts), to: &output)
        add("first", "\(first)")
        add("last", "\(last)")
        add("topic", message.topic)
        if let published = message.publishedAt { add("publishedAt", "\(published)") }
        JSONWriter.append(",\"attributes\":{", to: &output)
        for (index, attribute) in message.attributes.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            JSONWriter.append(string: attribute.key, to: &output)
            output.append(UInt8(ascii: ":"))
            JSONWriter.append(string: attribute.value, to: &output)
        }
        JSONWriter.append("}", to: &output)
        let bytes = message.payload.bytes(at: message.receivedAt)
        if let text = String(validating: bytes, as: UTF8.self) {
            add("message", text)
        } else {
            add("messageHex", Hex.encode(bytes))
        }
        JSONWriter.append("}", to: &output)
        return output
    }
}
