import Glibc
import Locking
import PipelineKit
import Wire

/// A program that answers each line with a line. Used by one caller at a time. Its calls block.
///
/// `@unchecked Sendable`: never used by two callers at once. A transform takes one out of a `Mutex` for each call and
/// puts it back. A sink has one, with one write at a time (`inFlight: 1`), and closes it after the last. The child
/// process itself is thread-safe.
final class JSONLinesProcess: @unchecked Sendable {
    private static let command = Option(
        "command", .list(of: .string), help: "the program and its arguments; started without a shell")
    private static let environment = Option(
        "environment", .dictionary(of: .secret), default: [:], shown: "",
        help: "environment variables in addition to PATH, HOME, LANG and TZ; no others are passed on")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(5), shown: "5s",
        help: "how long an answer may take before the program is killed")

    /// The options that a stage adds to its own.
    static let options: [any OptionDeclaration] = [command, environment, timeout]

    /// How to start the program, and the timeout of its answers.
    struct Program: Sendable {
        let command: [String]
        let environment: [String: Secret]
        let timeout: Duration

        init(_ options: Options) throws {
            command = options[JSONLinesProcess.command]
            guard !command.isEmpty else {
                throw OptionError("'command' is empty", at: options.location(of: JSONLinesProcess.command))
            }
            environment = options[JSONLinesProcess.environment]
            timeout = options[JSONLinesProcess.timeout]
        }
    }

    /// The maximum length of a line.
    private static let maximumLineBytes = 4 << 20

    private let process: ChildProcess
    private var buffer: [UInt8] = []

    /// Why the program cannot be used.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(_ start: Program) throws {
        guard let program = ChildProcess.find(start.command[0]) else {
            throw Failure(description: "the program '\(start.command[0])' does not exist or is not executable")
        }
        var variables = environmentVariables.filter { ["PATH", "HOME", "LANG", "TZ"].contains($0.key) }
        for (name, value) in start.environment { variables[name] = value.revealed }
        do {
            process = try ChildProcess(
                program, arguments: Array(start.command.dropFirst()), environment: variables)
        } catch {
            throw Failure(description: "the program '\(program)' cannot be started: \(error.reason)")
        }
    }

    /// Whether the program can be used. Its end may be known here before the system reports it.
    var isRunning: Bool { !hasFailed && process.isRunning }
    private var hasFailed = false

    /// Closes the program's input, which asks it to end, and kills it if it does not.
    func end() { process.end() }

    /// Sends lines and reads as many answers.
    ///
    /// - Parameter lines: the lines, each with its line end.
    /// - Throws: `Failure` if the program ends or exceeds the limit. It is killed then.
    func exchange(_ lines: [[UInt8]], within limit: Duration) throws -> [[UInt8]] {
        let deadline = ContinuousClock.now + limit
        do {
            var answers: [[UInt8]] = []
            // Line by line: neither side may wait for the other with a full pipe.
            for line in lines {
                try write(line, until: deadline)
                answers.append(try readLine(until: deadline))
            }
            return answers
        } catch {
            hasFailed = true
            // Its next answers could belong to these lines.
            process.kill()
            throw error is Failure ? error : Failure(description: "the program has ended: \(error)")
        }
    }

    private func write(_ line: [UInt8], until deadline: ContinuousClock.Instant) throws {
        var written = 0
        while written < line.count {
            let count = line[written...].withUnsafeBytes {
                Glibc.write(process.input.descriptor, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                written += count
            } else if errno == EAGAIN {
                guard ContinuousClock.now < deadline else {
                    throw Failure(description: "the program did not read in time")
                }
                var descriptors = pollfd(fd: process.input.descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&descriptors, 1, 100)
            } else if errno != EINTR {
                throw Failure(description: "the program has ended")
            }
        }
    }

    private func readLine(until deadline: ContinuousClock.Instant) throws -> [UInt8] {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer.removeSubrange(...end) }
                return Array(buffer[..<end])
            }
            guard buffer.count <= Self.maximumLineBytes else {
                throw Failure(
                    description: "the program answered with a line of more than \(Self.maximumLineBytes) bytes")
            }
            var isLate = false
            let chunk = try FileDescriptorIO.readChunk(from: process.output.descriptor) {
                isLate = ContinuousClock.now >= deadline
                return isLate
            }
            if isLate { throw Failure(description: "the program did not answer in time") }
            guard !chunk.isEmpty else { throw Failure(description: "the program has ended") }
            buffer += chunk
        }
    }
}
