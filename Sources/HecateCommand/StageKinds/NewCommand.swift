import Arguments
import Locking
import PipelineKit

/// `hecate new`: generates the source code of a new stage.
struct NewCommand: Command {
    enum Role: String, CaseIterable, ArgumentValue { case sink }

    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Generate a new kind of sink in a checkout of Hecate: its file, its test and its registration.",
        discussion:
            "The sink builds and passes its test; implement it then. Existing files are not overwritten."
    )

    @Argument(help: "What to generate: sink.") var role: Role
    @Argument(help: "Its name in pipeline files, such as my-store.") var name: String
    @Arguments.Option(help: "The checkout; by default the current folder.", completion: .directory) var checkout:
        String =
            "."

    func run() async throws {
        guard Self.isName(name) else {
            throw ValidationError(
                "'\(name)' is no name such as my-store: use lower-case letters and digits, with - between words")
        }
        let registry = "\(checkout)/Sources/Stages/StandardStages.swift"
        guard let lines = try? Files.text(registry) else {
            Console.error(
                "error: '\(checkout)' is no checkout of Hecate: there is no Sources/Stages/StandardStages.swift")
            throw ExitCode.failure
        }
        let type = name.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined() + "Sink"
        let source = "\(checkout)/Sources/Stages/Sinks/\(type).swift"
        let test = "\(checkout)/Tests/StagesTests/\(type)Tests.swift"
        let registration = "        registry.register(\(type).self)\n"
        let known = HecateCommand.registry.kind(.sink, name) != nil || lines.contains(registration)
        guard !known, !Files.exists(source), !Files.exists(test) else {
            Console.error("error: there is a sink '\(name)' already")
            throw ExitCode.failure
        }
        guard let end = lines.utf8.firstRange(of: "        return registry\n".utf8) else {
            Console.error("error: \(registry) has no 'return registry' to put the new line in front of")
            throw ExitCode.failure
        }
        try Files.write(Array(Self.source(name, type).utf8), to: source)
        try Files.write(Array(Self.test(name, type).utf8), to: test)
        var changed = lines
        changed.insert(contentsOf: registration, at: end.lowerBound)
        try Files.rewrite(registry, changed)
        print(
            """
            wrote \(source)
            wrote \(test)
            added \(type) to \(registry)
            now: swift build && swift test --filter \(type)
            """)
    }

    /// Returns whether a name consists of lower-case letters and digits in words with `-` between them, and begins with
    /// a letter.
    private static func isName(_ name: String) -> Bool {
        let words = name.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        return name.utf8.count <= 40 && name.utf8.first.map(isLetter) ?? false
            && words.allSatisfy { word in !word.isEmpty && word.allSatisfy { isLetter($0) || isDigit($0) } }
    }

    private static func source(_ name: String, _ type: String) -> String {
        """
        import Locking
        public import PipelineKit

        /// Counts messages. Implement it here.
        public final class \(type): Sink {
            private static let address = Option("address", .string, default: "nowhere", help: "where to write")

            public static let declaration = StageDeclaration(
                name: "\(name)",
                summary: "counts messages",
                options: [address],
                example: \"\"\"
                    sink:
                      \(name): {address: somewhere}
                    \"\"\")

            /// Up to 64 messages in a call and one call at a time, so that messages stay in order.
            public let capabilities = SinkCapabilities(batch: 64, inFlight: 1)
            private let address: String
            private let isOpen = Atomic<Bool>(false)

            /// No I/O here, so that `hecate validate` can make the sink.
            public init(_ options: Options, _ context: StageContext) throws { address = options[Self.address] }

            /// Connect here. If this throws, the error is logged and opening is retried.
            public func open() async throws { isOpen.store(true, ordering: .relaxed) }

            /// Write here, and return an outcome for each message in order: `.delivered`, `.transient` if it may succeed later,
            /// `.permanent` if it never will. The runner provides retries, ordering, metrics and shutdown.
            public func write(_ batch: [Message]) async -> [WriteOutcome] {
                guard isOpen.load(ordering: .relaxed) else {
                    return batch.map { _ in .transient(reason: "\\(address) is not open", retryAfter: nil) }
                }
                return batch.map { _ in .delivered }
            }

            /// Close here. May be called twice.
            public func close() async { isOpen.store(false, ordering: .relaxed) }
        }

        """
    }

    private static func test(_ name: String, _ type: String) -> String {
        """
        import PipelineKit
        import StageTestKit
        import Stages
        import Testing

        @Suite struct \(type)Tests {
            @Test func conforms() async {
                let problems = await SinkConformance(\(type).self, options: "{address: somewhere}").check()
                #expect(problems == [])
            }
        }

        """
    }
}
