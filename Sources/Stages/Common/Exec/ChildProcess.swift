import CHecateLinux
import Dispatch
import Glibc
import Locking

/// A child process with pipes to its input and from its output. Its standard error is that of this process.
///
/// It has a process group of its own, so that a Ctrl-C for this process does not end it in the middle of a line. Its
/// signals are as if a shell had started it, and it inherits no descriptors but the pipes. Thread-safe.
final class ChildProcess: Sendable {
    /// The pipe to its input; never blocks.
    let input: OpenFile
    /// The pipe from its output.
    let output: OpenFile
    private let running: Running

    /// - Parameters:
    ///   - arguments: the arguments without the program's name.
    ///   - environment: the whole environment.
    /// - Throws: `SystemError` if the program cannot be started.
    init(_ path: String, arguments: [String], environment: [String: String]) throws(SystemError) {
        _ = Self.ignoreBrokenPipes
        let toChild = try Self.makePipe()
        let fromChild = try Self.makePipe()
        input = toChild.write
        output = fromChild.read
        let flags = fcntl(input.descriptor, F_GETFL)
        guard flags >= 0, fcntl(input.descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else { throw SystemError() }
        running = Running(
            try Self.spawn(
                path, [path] + arguments, environment.map { "\($0.key)=\($0.value)" },
                stdin: toChild.read.descriptor, stdout: fromChild.write.descriptor))
        // These ends belong to the child. Open here, they would hide its end.
        toChild.read.close()
        fromChild.write.close()
    }

    deinit { end() }

    /// Turns a write to a program that has ended into an error, instead of a signal that ends this process.
    private static let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    /// Makes a pipe whose ends are closed on exec and are not among the standard descriptors.
    private static func makePipe() throws(SystemError) -> (read: OpenFile, write: OpenFile) {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemError() }
        return (try aboveStandard(ends[0]), try aboveStandard(ends[1]))
    }

    /// Moves a descriptor above the standard ones, which the child's input and output replace.
    private static func aboveStandard(_ descriptor: Int32) throws(SystemError) -> OpenFile {
        let file = OpenFile(descriptor: descriptor)
        guard descriptor <= STDERR_FILENO else { return file }
        let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
        guard moved >= 0 else { throw SystemError() }
        return OpenFile(descriptor: moved)
    }

    private static func spawn(
        _ path: String, _ arguments: [String], _ environment: [String], stdin: Int32, stdout: Int32
    ) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, stdin, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, stdout, STDOUT_FILENO)
        // This process opens descriptors with close-on-exec; those it inherited may not have it.
        posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        let argv = terminated(arguments)
        let envp = terminated(environment)
        defer { for text in argv + envp { free(text) } }
        var processID = pid_t()
        let code = posix_spawn(&processID, path, &actions, &attributes, argv, envp)
        guard code == 0 else { throw SystemError(code: code) }
        return processID
    }

    /// Returns a null-terminated array of C strings. The caller frees them.
    private static func terminated(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { strdup($0) } + [nil]
    }

    /// Returns the path of a program, looked up in PATH if needed.
    static func find(_ name: String) -> String? {
        let folders = (Locking.environment("PATH") ?? "").split(separator: ":")
        let candidates = name.utf8.contains(UInt8(ascii: "/")) ? [name] : folders.map { "\($0)/\(name)" }
        return candidates.first { !name.isEmpty && access($0, X_OK) == 0 }
    }

    var isRunning: Bool { running.checkIsRunning() }

    /// Closes its input, which asks it to end, and kills it if it has not ended after two seconds.
    func end() {
        input.close()
        running.end(by: .now + .seconds(2))
    }

    /// Kills it.
    func kill() { running.kill() }

    /// A started process until it is reaped.
    private final class Running: Sendable {
        private static let pause = DispatchTimeInterval.milliseconds(20)

        private let processID: pid_t
        /// Whether the process was reaped: its id may belong to another process then.
        private let hasEnded = Mutex(false)

        init(_ processID: pid_t) { self.processID = processID }

        /// Returns whether the process runs.
        func checkIsRunning() -> Bool {
            hasEnded.withLock { hasEnded in
                if !hasEnded, waitpid(processID, nil, WNOHANG) != 0 { hasEnded = true }
                return !hasEnded
            }
        }

        func kill() { hasEnded.withLock { if !$0 { _ = Glibc.kill(processID, SIGKILL) } } }

        /// Waits until the process has ended, and reaps it. Kills it after the deadline.
        func end(by deadline: ContinuousClock.Instant) {
            guard checkIsRunning() else { return }
            if ContinuousClock.now >= deadline { kill() }
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.pause) { self.end(by: deadline) }
        }
    }
}
