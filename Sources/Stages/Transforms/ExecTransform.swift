import Locking
public import PipelineKit
import Wire

/// Lets another program transform messages over JSON Lines.
public final class ExecTransform: Transform {
    public static let declaration = StageDeclaration(
        name: "exec",
        summary: "lets another program transform messages over JSON Lines",
        details: """
            The program reads a line for each message and answers with one line:
              in   {"id": ..., "key": ..., "attributes": {...}, "publishedAt": ..., "payload": ...}
              out  {"payload": ...}                  what the message carries from here on; "key", "attributes" too if it likes
                   {"payloads": [..., ...]}          it becomes several; none for an empty list
                   {"drop": true}                    it ends here
                   {"error": "reason"}               it is refused
            It is started when it is needed, once for each lane, and ends when its input does. One that does not answer in time, or
            with something else, is killed and started again; its message is tried again after a pause.
            """,
        options: JSONLinesProcess.options,
        produces: .bytes,
        example: """
            stages:
              - transform:
                  exec: {command: [jq, --unbuffered, -c, "{payload: (.payload | .failure_url = \\"\\")}"]}
            """)

    private let program: JSONLinesProcess.Program
    private let now: @Sendable () -> Timestamp
    private let idle = Mutex<[JSONLinesProcess]>([])

    /// Makes a transform. The program starts with the first message.
    public init(_ options: Options, _ context: StageContext) throws {
        program = try JSONLinesProcess.Program(options)
        now = context.now
    }

    /// Returns the program's answer for the message. Blocks the lane until it arrives.
    ///
    /// - Throws: `StageError` if the program refuses the message; a transient one if it does not answer.
    public func transform(_ message: Message) throws -> [Message] {
        let answer: [UInt8]
        do {
            let child = try idle.withLock { $0.popLast() } ?? JSONLinesProcess(program)
            answer = try child.exchange([MessageJSON.line(message, at: now())], within: program.timeout)[0]
            idle.withLock { $0.append(child) }
        } catch {
            throw StageError(transient: "\(error)")
        }
        return try read(answer, for: message)
    }

    private func read(_ line: [UInt8], for message: Message) throws -> [Message] {
        guard let answer = try? JSONTree(parsing: line), case .object = answer else {
            throw StageError("the program's answer is no JSON object: \(line.text.prefix(200))")
        }
        if let reason = answer["error"]?.text { throw StageError(reason) }
        if answer["drop"] == .bool(true) { return [] }
        var changed = message
        if let key = answer["key"]?.text { changed.key = key }
        if case .object(let members)? = answer["attributes"] {
            changed.attributes = [:]
            for member in members { changed.attributes[member.key] = member.value.text ?? member.value.bytes.text }
        }
        let payloads: [JSONTree]
        switch (answer["payload"], answer["payloads"]) {
        case (let payload?, nil): payloads = [payload]
        case (nil, .array(let several)?): payloads = several
        default:
            throw StageError("the program's answer has neither 'payload', 'payloads', 'drop' nor 'error'")
        }
        return payloads.enumerated().map { index, payload in
            var started = changed
            if payloads.count > 1 { started.id = "\(message.id)#\(index)" }
            started.payload = Bytes(payload.bytes)
            return started
        }
    }
}
