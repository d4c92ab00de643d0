import Arguments
import Glibc
import Locking
import Telemetry
import PipelineFile
import PipelineKit
import Wire

/// `hecate test`: runs tests of pipelines.
struct TestCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Run tests of pipelines: the result of a message at a given time.",
        discussion: """
            A test file stands beside its pipeline: wave-1.test.yaml for wave-1.yaml. Nothing is connected to: each message goes through the
            filters and transforms only.

              now: 2026-01-01T00:00:00Z
              variables: {ARGUS_URL: "http://argus"}        # what ${ARGUS_URL} stands for
              tests:
                - name: a partner of the wave
                  input:
                    webhook: {config: {url: "https://a.example/hook"}, events: [".*"]}
                  delivers:
                    owner: xmidt-migration
                    ttl: 300
                    contains: {data: {PartnerIDs: []}}
                - name: somebody else
                  input:
                    sns:
                      Message: {config: {url: "https://b.example"}, events: [x]}
                      MessageAttributes: {}
                  drops: {by: partners-of-wave-1}
                - name: no registration
                  input: {text: "{}"}                         # or json, base64
                  dead-letters: {stage: argus-item, reason: config.url}

            A message has an id, key, topic, attributes and publishedAt if they are given. delivers compares what it names: body (all of
            it), contains (a part), text, owner, ttl, key, item; a list where a message becomes several. expires: true is for what has
            ended. With --update what is not as expected is written into the file.
            """)

    @Argument(
        help: ArgumentHelp("Test files, or folders with test files.", valueName: "file"),
        completion: .file(extensions: ["yaml"]))
    var files: [String]
    @Flag(help: "Replace wrong expectations in the files by the results.") var update = false
    @Arguments.Option(help: ArgumentHelp("Also write the results as JUnit XML.", valueName: "file"))
    var junit: String?

    private struct Result {
        let file: String
        let name: String
        let location: SourceLocation
        let differences: [String]
    }

    func run() async throws {
        let paths = try expand(files)
        let progress = Progress("tested", total: paths.count)
        var results: [Result] = []
        var isReadable = true
        for path in paths {
            let (file, report) = PipelineTestFile.load(path, registry: HecateCommand.registry)
            if !report.description.isEmpty { Console.error(report.description) }
            if let file { results += try run(file) } else { isReadable = false }
            progress.advance()
        }
        progress.end()
        for result in results where !result.differences.isEmpty {
            let lines = result.differences.map { "    \(Console.printable($0))" }
            print("\(result.location.file):\(result.location.line): \(result.name)\n\(lines.joined(separator: "\n"))")
        }
        let failed = results.filter { !$0.differences.isEmpty }.count
        print(
            "\(results.count - failed) passed, \(failed) failed\(update && failed > 0 ? "; the files were updated" : "")"
        )
        if let junit { try write(results, to: junit) }
        guard isReadable else { throw ExitCode.badConfiguration }
        if failed > 0, !update { throw ExitCode.failure }
    }

    private func expand(_ names: [String]) throws -> [String] {
        var paths: [String] = []
        for name in names {
            if Files.isDirectory(name) {
                paths += try Self.inside(name, below: "").filter(Self.isTest).sorted()
                    .map { "\(name.hasSuffix("/") ? String(name.dropLast()) : name)/\($0)" }
            } else {
                paths.append(name)
            }
        }
        guard !paths.isEmpty else {
            Console.error("error: there is no test file (*.test.yaml) in \(names.joined(separator: ", "))")
            throw ExitCode.badConfiguration
        }
        return paths
    }

    private static func isTest(_ name: String) -> Bool { name.hasSuffix(".test.yaml") || name.hasSuffix(".test.yml") }

    /// Returns the files in a folder and its subfolders as relative paths. Does not follow links to folders, which may
    /// form a cycle.
    private static func inside(_ folder: String, below path: String) throws -> [String] {
        try Files.list("\(folder)/\(path)").flatMap { name in
            var status = stat()
            guard lstat("\(folder)/\(path)\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                return ["\(path)\(name)"]
            }
            return try inside(folder, below: "\(path)\(name)/")
        }
    }

    private func run(_ file: PipelineTestFile) throws -> [Result] {
        let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
        var results: [Result] = []
        var updates: [(PipelineTestFile.Case, PipelineTestOutcome)] = []
        for test in file.cases {
            // Each test has its own stages, so that they share no state.
            var diagnostics = Diagnostics()
            guard let evaluation = file.pipeline.makeDryEvaluation(logger: logger, now: { file.now }, &diagnostics)
            else {
                for diagnostic in diagnostics.all { Console.error("\(file.path): error: \(diagnostic.message)") }
                throw ExitCode.badConfiguration
            }
            let outcome = PipelineTestOutcome(evaluation.evaluate(test.message), at: file.now)
            let differences = outcome.differences(from: test.expected)
            if !differences.isEmpty { updates.append((test, outcome)) }
            results.append(Result(file: file.path, name: test.name, location: test.location, differences: differences))
        }
        if update, !updates.isEmpty { try rewrite(file, updates) }
        return results
    }

    /// Replaces expectations by actual results, from the last test to the first, so that locations stay valid.
    private func rewrite(
        _ file: PipelineTestFile, _ updates: [(PipelineTestFile.Case, PipelineTestOutcome)]
    ) throws {
        // Split by bytes: CR LF is one Character.
        let bytes = try Files.text(file.path).utf8.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var lines = bytes.map { String(Substring($0)) }
        let ending = lines[0].utf8.last == UInt8(ascii: "\r") ? "\r" : ""
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (test, outcome) in updates.reversed() {
            let indent = test.location.column - 1
            let (start, end): (Int, Int)
            if let location = test.expectationLocation {
                start = location.line - 1
                guard Self.indent(of: lines[start]) == indent || lines[start].dropFirst(indent).first != "-",
                    location.column - 1 == indent, start > test.location.line - 1 || lines[start].hasPrefix(" ")
                else { throw unwritable(file, test) }
                end = Self.end(of: start, indent: indent, in: lines)
            } else {
                start = Self.endOfTest(at: test.location.line - 1, indent: indent, in: lines)
                end = start
            }
            guard test.location.line - 1 < start else { throw unwritable(file, test) }
            lines.replaceSubrange(start..<end, with: outcome.yaml(indent: indent).map { $0 + ending })
        }
        try Files.rewrite(file.path, lines.joined(separator: "\n") + "\n")
    }

    private func unwritable(_ file: PipelineTestFile, _ test: PipelineTestFile.Case) -> any Error {
        Console.error(
            "\(file.path):\(test.location.line): error: '\(test.name)' cannot be updated: put each of its keys on its own line"
        )
        return ExitCode.failure
    }

    private static func indent(of line: String) -> Int { line.prefix { $0 == " " }.count }

    /// Returns the line behind a key's value: the next line indented no deeper than the key. Blank lines and comments
    /// before it belong to what follows.
    private static func end(of start: Int, indent: Int, in lines: [String]) -> Int {
        var end = start + 1
        var index = end
        while index < lines.count {
            let line = lines[index].trimmed
            if line.isEmpty || line.hasPrefix("#") {
                index += 1
                continue
            }
            // A list may be indented like its key.
            let isDeeper =
                Self.indent(of: lines[index]) > indent
                || Self.indent(of: lines[index]) == indent && line.hasPrefix("- ")
            guard isDeeper else { break }
            index += 1
            end = index
        }
        return end
    }

    private static func endOfTest(at start: Int, indent: Int, in lines: [String]) -> Int {
        var end = start + 1
        var index = end
        while index < lines.count {
            let line = lines[index].trimmed
            if !line.isEmpty, !line.hasPrefix("#") {
                guard Self.indent(of: lines[index]) >= indent else { break }
                end = index + 1
            }
            index += 1
        }
        return end
    }

    private func write(_ results: [Result], to path: String) throws {
        func xml(_ text: String) -> String { Console.printable(text).escapedForXML }
        let byFile = Dictionary(grouping: results, by: \.file).sorted { $0.key < $1.key }
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites>"]
        for (file, results) in byFile {
            let failed = results.filter { !$0.differences.isEmpty }.count
            lines.append("  <testsuite name=\"\(xml(file))\" tests=\"\(results.count)\" failures=\"\(failed)\">")
            for result in results {
                let head =
                    "    <testcase classname=\"\(xml(file))\" name=\"\(xml(result.name))\" file=\"\(xml(file))\" line=\"\(result.location.line)\""
                if result.differences.isEmpty {
                    lines.append("\(head)/>")
                } else {
                    let text = result.differences.map(xml).joined(separator: "\n")
                    lines.append("\(head)>")
                    lines.append("      <failure message=\"\(xml(result.differences[0]))\">\(text)</failure>")
                    lines.append("    </testcase>")
                }
            }
            lines.append("  </testsuite>")
        }
        lines.append("</testsuites>")
        try Files.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: path)
    }
}
