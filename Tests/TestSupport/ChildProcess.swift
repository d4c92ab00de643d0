package import Foundation
import Locking

/// A process that a test or a benchmark starts, and stops by its id.
package final class ChildProcess: @unchecked Sendable {
    // `@unchecked Sendable`: `Process` guards its own state; the other properties never change.
    private let process = Process()
    /// What it writes to standard output and error.
    package let log: URL

    /// Starts a program; its output goes to a file in a temporary directory.
    package init(
        _ program: URL, _ arguments: [String], environment: [String: String] = [:], name: String,
        input: FileHandle? = nil
    ) throws {
        log = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let output = try FileHandle(forWritingTo: log)
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = input ?? FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    /// The process's id.
    package var id: Int32 { process.processIdentifier }
    /// Whether it has not ended.
    package var isRunning: Bool { process.isRunning }
    /// What it has written so far.
    package var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    /// Sends a signal.
    package func send(_ signal: Int32) { kill(id, signal) }

    /// Waits for its end; returns its exit status. No thread is blocked meanwhile.
    @discardableResult
    package func wait() async -> Int32 {
        while process.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        return process.terminationStatus
    }

    /// Ends it in order, and at once if it does not within some minutes.
    @discardableResult
    package func stop(within limit: Duration = .seconds(300)) async -> Int32 {
        if process.isRunning { process.terminate() }
        let deadline = ContinuousClock.now + limit
        while process.isRunning, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(10)) }
        if process.isRunning { send(SIGKILL) }
        return await wait()
    }

    deinit {
        // A test that failed half-way leaves nothing behind.
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: log)
    }

    /// Processor seconds so far, user and system; from /proc, so only while it runs.
    package var processorSeconds: Double {
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return 0 }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        return ((Double(fields[11]) ?? 0) + (Double(fields[12]) ?? 0)) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// A size of /proc's status file, such as VmHWM, in bytes; only while it runs.
    package func memory(_ name: String) -> Int {
        let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
        return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }

    /// The directory of the running program, where the products of the package lie side by side.
    package static let products: URL = {
        let path =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
        // Tests run inside the toolchain's helper; the bundle that it loads lies among the products.
        if FileManager.default.fileExists(atPath: directory.appendingPathComponent("hecate").path) { return directory }
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).deletingLastPathComponent()
    }()

    /// The checkout that this program was built from.
    package static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The `hecate` that was built with this program.
    package static var hecate: URL { products.appendingPathComponent("hecate") }
}

/// Ports of the loopback.
package enum FreePort {
    /// Below the ports that the system gives to connections (net.ipv4.ip_local_port_range begins at 32768), or one of those that
    /// tests make would take a port between its finding and its use. Where to begin depends on the process, so that two runs
    /// of the tests are not likely to meet.
    private static let range = 12_000..<32_000
    private static let next = Mutex(range.lowerBound + Int(getpid()) * 211 % range.count)

    /// A port that nobody listens on now, and that this process is not given again.
    package static func find() throws -> Int {
        for _ in 0..<range.count {
            let port = next.withLock { next in
                next = next + 1 < range.upperBound ? next + 1 : range.lowerBound
                return next
            }
            if LoopbackSocket.isFree(port) { return port }
        }
        throw CocoaError(.featureUnsupported)
    }
}
