import Arguments
import Foundation
import Locking
import PipelineKit
import Stages
import Testing

@testable import HecateCommand

/// The command line as data, and commands that need no other process.
@Suite struct CommandLineTests {
    private static let root = CommandSpec(RootCommand.self)

    /// The commands with their words, the program's own among them.
    private static var commands: [CommandSpec] {
        func all(_ command: CommandSpec) -> [CommandSpec] { [command] + command.subcommands.flatMap(all) }
        return all(root)
    }

    private func run(_ words: [String]) async -> Int32 {
        await HecateCommand.$registry.withValue(.standard) { await RootCommand.run(words) }
    }

    @Test func helpFitsATerminal() {
        for command in Self.commands {
            let lines = HelpText(command).text(width: 80).split(separator: "\n").filter { !$0.hasPrefix("USAGE") }
            #expect(lines.allSatisfy { $0.count <= 80 }, "\(command.name)")
            #expect(command.abstract.hasSuffix("."), "\(command.name)")
            #expect(
                command.arguments.allSatisfy { !$0.help.isEmpty && $0.help.hasSuffix(".") || $0.help.hasSuffix("...") })
        }
    }

    @Test(arguments: [["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-ww", "-z"]])
    func manPagesAreAsTheirReadersWantThem(reader: [String]) throws {
        let path = "/usr/bin/\(reader[0])"
        // Where a reader is not installed it says nothing.
        guard Files.isExecutable(path) else { return }
        let folder = "\(Files.temporaryDirectory)/man-\(UUID().uuidString)"
        try Files.makeDirectory(folder)
        defer { try? Files.removeAll(folder) }
        for command in Self.commands {
            let file = "\(folder)/\(command.path.joined(separator: "-")).1"
            let page = ManPage(command, of: Self.root, date: "2026-01-31").text
            try Files.write(Array(page.utf8), to: file)
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments = reader.dropFirst() + [file]
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0 && said == "", "\(command.name): \(said)")
        }
    }

    @Test(arguments: Shell.allCases)
    func shellsTakeTheCompletions(shell: Shell) throws {
        guard let program = ["/usr/bin", "/bin"].map({ "\($0)/\(shell.rawValue)" }).first(where: Files.isExecutable)
        else { return }
        let file = "\(Files.temporaryDirectory)/completions-\(UUID().uuidString)"
        try Files.write(Array(CompletionScript(Self.root).text(for: shell).utf8), to: file)
        defer { try? Files.remove(file) }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["-n", file]
        process.standardError = pipe
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && said == "", "\(said)")
    }

    @Test func theVersionIsTheSameInBothWays() {
        #expect(Self.root.version == VersionCommand.text)
        #expect(VersionCommand.text == "hecate \(VersionCommand.version)")
    }

    /// A folder with a pipeline and tests of it.
    private func folder(_ files: [String: String]) throws -> String {
        let folder = "\(Files.temporaryDirectory)/commands-\(UUID().uuidString)"
        for (name, text) in files {
            try Files.makeDirectory(Files.parent(of: "\(folder)/\(name)"), intermediate: true)
            try Files.write(Array(text.utf8), to: "\(folder)/\(name)")
        }
        return folder
    }

    @Test func testsAreFoundInFoldersAndWrittenWithTheirLineEnds() async throws {
        let test = "pipeline: ../p.yaml\r\ntests:\r\n  - name: a\r\n    input: {text: x}\r\n"
        let folder = try folder([
            "p.yaml": "source: stdin\nsink: stdout\n", "inside/a.test.yaml": test, "inside/b.yaml": "not: a test\n",
        ])
        defer { try? Files.removeAll(folder) }
        symlink("..", "\(folder)/inside/back")
        #expect(await run(["test", folder]) == 1)
        #expect(await run(["test", "--update", "\(folder)/"]) == 0)
        #expect(await run(["test", folder]) == 0)
        let written = try Files.text("\(folder)/inside/a.test.yaml")
        #expect(written.hasPrefix(test) && written.utf8.count > test.utf8.count)
        let lines = written.utf8.split(separator: UInt8(ascii: "\n"))
        #expect(lines.allSatisfy { $0.last == UInt8(ascii: "\r") }, "\(written)")
    }

    @Test func resultsAreWrittenForOtherPrograms() async throws {
        let folder = try folder([
            "p.yaml": "source: stdin\nsink: stdout\n",
            "a.test.yaml": "pipeline: p.yaml\ntests:\n  - {name: '<\"&', input: {text: x}, drops: true}\n",
        ])
        defer { try? Files.removeAll(folder) }
        #expect(await run(["test", folder, "--junit", "\(folder)/junit.xml"]) == 1)
        let xml = try Files.text("\(folder)/junit.xml")
        #expect(XMLChecker().check(xml) && xml.contains("name=\"&lt;&quot;&amp;\""), "\(xml)")
    }

    @Test(arguments: [
        ("my-store", 0), ("a1-2b", 0), ("My", 2), ("-a", 2), ("a--b", 2), ("a_b", 2), ("1a", 2), ("ä", 2),
    ])
    func aSinkIsBegunUnderANameThatFilesCanHave(name: String, status: Int) async throws {
        let folder = try folder([
            "Sources/Stages/StandardStages.swift": "first\n        return registry\nlast\n",
            "Sources/Stages/Sinks/x": "", "Tests/StagesTests/x": "",
        ])
        defer { try? Files.removeAll(folder) }
        #expect(await run(["new", "sink", "--checkout", folder, "--", name]) == Int32(status))
        let registry = try Files.text("\(folder)/Sources/Stages/StandardStages.swift")
        if name == "my-store" {
            #expect(registry == "first\n        registry.register(MyStoreSink.self)\n        return registry\nlast\n")
            #expect(
                try Files.text("\(folder)/Sources/Stages/Sinks/MyStoreSink.swift").contains("class MyStoreSink: Sink"))
            #expect(try Files.text("\(folder)/Tests/StagesTests/MyStoreSinkTests.swift").contains("MyStoreSinkTests"))
            #expect(await run(["new", "sink", name, "--checkout", folder]) == 1)
        } else if status != 0 {
            #expect(registry == "first\n        return registry\nlast\n")
        }
    }

    @Test func anOriginalConfigurationIsWrittenWhereNothingIs() async throws {
        let folder = try folder(["hecate.yaml": "argus: {bucket: \"a$b\", address: http://argus}\n"])
        defer { try? Files.removeAll(folder) }
        #expect(await run(["import", "\(folder)/hecate.yaml", "-o", "\(folder)/new.yaml"]) == 0)
        #expect(try Files.text("\(folder)/new.yaml").contains("bucket: \"a$$b\"\n"))
        #expect(await run(["import", "\(folder)/hecate.yaml", "--output=\(folder)/new.yaml"]) == 1)
    }

    @Test func aCertificateThatIsNotThereIsNoMistakeOfTheFile() async throws {
        let folder = try folder([
            "p.yaml": """
            source: {http: {listen: "127.0.0.1:0", tls: {certificate: /nowhere/c.pem, key: /nowhere/k.pem}}}
            sink: drop

            """
        ])
        defer { try? Files.removeAll(folder) }
        #expect(await run(["validate", "\(folder)/p.yaml"]) == 0)
        #expect(await run(["validate", "--connect", "\(folder)/p.yaml"]) == 1)
    }
}
