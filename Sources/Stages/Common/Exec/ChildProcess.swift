import CHecateLinux
import Dispatch
import Glibc
import Locking

/// Another program, with a pipe to its input and one from its output; what it writes to standard error goes where ours does.
///
/// It has a process group of its own, so that a Ctrl-C that is meant for this program does not end it in the middle of a line; it
/// gets signals as if it was started by a shell, and no descriptor of ours but those pipes. May be used from any thread.
final class ChildProcess: Sendable {
    /// To its input; never blocks.
    let input: OpenFile
    /// From its output.
    let output: OpenFile
    private let running: Running

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - arguments: without the program's own name.
    ///   - environment: all that it sees of one.
    /// - Throws: `SystemError` where it cannot be started.
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
        // Those ends are the child's alone; ours are closed here, or its end would not be seen.
        toChild.read.close()
        fromChild.write.close()
    }

    deinit { end() }

    /// A write to a program that has ended must be an error, not the end of this one.
    private static let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    /// A pipe whose ends are closed in other programs, and are none of the standard three.
    private static func makePipe() throws(SystemError) -> (read: OpenFile, write: OpenFile) {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemError() }
        return (try aboveStandard(ends[0]), try aboveStandard(ends[1]))
    }

    /// The descriptor under a number that giving a child its input and output does not overwrite.
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
        // All that this program opens is closed on exec; what it was started with itself may not be.
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

    /// Texts as C wants a list of them: with zeros at their ends, and a null pointer behind the last. The caller frees them.
    private static func terminated(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { strdup($0) } + [nil]
    }

    /// Where a program is: as it is named, or in the PATH.
    static func find(_ name: String) -> String? {
        let folders = (Locking.environment("PATH") ?? "").split(separator: ":")
        let candidates = name.utf8.contains(UInt8(ascii: "/")) ? [name] : folders.map { "\($0)/\(name)" }
        return candidates.first { !name.isEmpty && access($0, X_OK) == 0 }
    }

    /// Whether it runs.
    var isRunning: Bool { running.checkIsRunning() }

    /// Closes its input, by which it knows that it may end, and sees to it that it does within two seconds.
    func end() {
        input.close()
        running.end(by: .now + .seconds(2))
    }

    /// Ends it at once.
    func kill() { running.kill() }

    /// A process that was started, until the system has told its end.
    private final class Running: Sendable {
        private static let pause = DispatchTimeInterval.milliseconds(20)

        private let processID: pid_t
        /// Whether the system has told the end: from then on the number may be another process's.
        private let hasEnded = Mutex(false)

        init(_ processID: pid_t) { self.processID = processID }

        /// Looks whether it runs.
        func checkIsRunning() -> Bool {
            hasEnded.withLock { hasEnded in
                if !hasEnded, waitpid(processID, nil, WNOHANG) != 0 { hasEnded = true }
                return !hasEnded
            }
        }

        func kill() { hasEnded.withLock { if !$0 { _ = Glibc.kill(processID, SIGKILL) } } }

        /// Looks until it has ended, so that the system forgets it; past the deadline it is killed.
        func end(by deadline: ContinuousClock.Instant) {
            guard checkIsRunning() else { return }
            if ContinuousClock.now >= deadline { kill() }
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.pause) { self.end(by: deadline) }
        }
    }
}
