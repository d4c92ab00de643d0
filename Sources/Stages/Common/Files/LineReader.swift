import Locking
import PipelineKit
import Telemetry
import Wire

/// Reads the lines of a file into a pipeline, one message each. Shared by the `file` and `stdin` sources.
final class LineReader: Sendable {
    static let keyField = Option(
        "key", OptionType<FieldPath>.fieldPath, default: FieldPath("config.url")!, shown: "config.url",
        help: "the field that orders messages; by default the number of the line")
    static let maxLineBytes = Option(
        "maxLineBytes", .byteCount, default: 1 << 20, shown: "1MiB",
        help: "the maximum length of a line; longer ones are refused")

    private let key: FieldPath
    private let maximumLineBytes: Int
    private let context: StageContext
    private let isStopped = Atomic<Bool>(false)
    private let refused = Atomic<Int>(0)

    init(_ options: Options, _ context: StageContext) {
        key = options[Self.keyField]
        maximumLineBytes = options[Self.maxLineBytes]
        self.context = context
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Reads until the end of the file or until stopped. Returns when all messages have ended.
    ///
    /// - Parameter name: the name of the file in messages.
    /// - Throws: `StageError` at the end if lines were refused.
    func run(file: OpenFile, name: String, into intake: Intake) async throws {
        var line: [UInt8] = []
        var number = 0
        var isTooLong = false
        let outstanding = OutstandingMessages()
        func finish() async throws {
            number += 1
            defer {
                line.removeAll(keepingCapacity: true)
                isTooLong = false
            }
            if isTooLong { return refuse(number, "it is longer than \(maximumLineBytes) bytes") }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            guard !line.isEmpty else { return }
            try await send(line, number, name, outstanding, into: intake)
        }
        reading: while true {
            let chunk = try await FileDescriptorIO.blocking { [self] in
                try FileDescriptorIO.readChunk(from: file.descriptor) { isStopped.load(ordering: .relaxed) }
            }
            if chunk.isEmpty { break }
            var rest = chunk[...]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                append(rest[..<end], to: &line, &isTooLong)
                rest = rest[(end + 1)...]
                do {
                    try await finish()
                } catch is IntakeClosed {
                    break reading
                }
            }
            append(rest, to: &line, &isTooLong)
        }
        if !isStopped.load(ordering: .relaxed), !line.isEmpty || isTooLong { try? await finish() }
        await outstanding.wait()
        let count = refused.load(ordering: .relaxed)
        if count > 0 {
            throw StageError("\(count) of \(number) lines of \(name) were refused; the log says which and why")
        }
    }

    private func append(_ bytes: ArraySlice<UInt8>, to line: inout [UInt8], _ isTooLong: inout Bool) {
        if line.count + bytes.count > maximumLineBytes { isTooLong = true }
        if isTooLong { line.removeAll(keepingCapacity: true) } else { line.append(contentsOf: bytes) }
    }

    private func send(
        _ line: [UInt8], _ number: Int, _ name: String, _ outstanding: OutstandingMessages, into intake: Intake
    ) async throws {
        let message = Message(
            id: "\(name):\(number)", key: (try? key.text(in: line)) ?? nil, payload: Bytes(line),
            receivedAt: context.now())
        outstanding.add()
        do {
            try await intake.send(message) { [self] settlement in
                if case .refused(let stage, let reason, _) = settlement { refuse(number, "\(stage): \(reason)") }
                if case .failed(let reason, _) = settlement { refuse(number, reason) }
                outstanding.remove()
            }
        } catch {
            outstanding.remove()
            throw error
        }
    }

    private func refuse(_ number: Int, _ reason: String) {
        refused.add(1, ordering: .relaxed)
        context.logger.warning("a line was refused", metadata: ["line": "\(number)", "reason": "\(reason)"])
    }
}
