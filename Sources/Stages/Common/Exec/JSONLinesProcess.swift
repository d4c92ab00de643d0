import Glibc
import Locking
import PipelineKit
import Wire

/// A program that is given lines and answers with lines. Used by one caller at a time; its calls block.
///
/// `@unchecked Sendable`: never used by two at once. A transform takes one out of a `Mutex` for each call and puts it back; a sink
/// has one, with one write at a time (`inFlight: 1`), and is closed after the last. What is looked at beside that is the process,
/// which may be used from any thread.
final class JSONLinesProcess: @unchecked Sendable {
    private static let command = Option(
        "command", .list(of: .string), help: "the program and its arguments; started without a shell")
    private static let environment = Option(
        "environment", .dictionary(of: .secret), default: [:], shown: "",
        help: "environment variables, beside PATH, HOME, LANG and TZ; nothing else of the gateway's is passed on")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(5), shown: "5s", help: "how long an answer may take; then it is killed")

    /// The options that a stage adds to its own.
    static let options: [any OptionDeclaration] = [command, environment, timeout]

    /// How a program is started, and how long it may think.
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

    /// The longest line that is read.
    private static let maximumLineBytes = 4 << 20

    private let process: ChildProcess
    private var buffer: [UInt8] = []

    /// What a program that cannot be talked to did.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Starts a program.
    init(_ start: Program) throws {
        guard let program = ChildProcess.find(start.command[0]) else {
            throw Failure(description: "the program '\(start.command[0])' is not there, or may not be started")
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

    /// Whether it can be talked to. That it has ended may be known before the system says so.
    var isRunning: Bool { !hasFailed && process.isRunning }
    private var hasFailed = false

    /// Closes its input, by which it knows that it may end, and sees to it that it does.
    func end() { process.end() }

    /// Sends lines and reads as many answers.
    ///
    /// - Parameter lines: each with its line end.
    /// - Throws: `Failure` where it ends or takes longer than the limit; it is killed then.
    func exchange(_ lines: [[UInt8]], within limit: Duration) throws -> [[UInt8]] {
        let deadline = ContinuousClock.now + limit
        do {
            var answers: [[UInt8]] = []
            // Line for line: a program that answers each before it reads the next must not wait for us, nor we for it.
            for line in lines {
                try write(line, until: deadline)
                answers.append(try readLine(until: deadline))
            }
            return answers
        } catch {
            hasFailed = true
            // It cannot be trusted any more to answer what it is asked.
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
