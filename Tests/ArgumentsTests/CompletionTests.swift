import Foundation
import Testing

@testable import Arguments

@Suite struct CompletionTests {
    private static let script = CompletionScript(CommandSpec(Tool.self))

    /// What a program prints, with a text on its standard input; nil where it is not there.
    private static func output(_ program: String, _ arguments: [String], input: String, folder: URL? = nil) throws -> (
        status: Int32, text: String
    )? {
        guard
            let path = ["/usr/bin", "/bin", "/usr/local/bin"].map({ "\($0)/\(program)" })
                .first(where: { FileManager.default.isExecutableFile(atPath: $0) })
        else { return nil }
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("arguments-\(UUID().uuidString)")
        try input.write(to: place, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: place) }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments + [place.path]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        process.currentDirectoryURL = folder
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    @Test(arguments: Shell.allCases)
    func theShellTakesIt(shell: Shell) throws {
        let text = Self.script.text(for: shell)
        // Where a shell is not installed nothing is said about its script.
        guard let (status, said) = try Self.output(shell.rawValue, ["-n"], input: text) else { return }
        #expect(status == 0 && said == "", "\(said)")
    }

    /// What bash offers for the last word, as its own splitting has them.
    private func bash(_ words: [String], in folder: URL? = nil) throws -> [String] {
        let split = words.flatMap { word in
            var parts: [String] = [""]
            for letter in word {
                if "=:".contains(letter) {
                    if parts.last == "" { parts.removeLast() }
                    parts += [String(letter), ""]
                } else {
                    parts[parts.count - 1].append(letter)
                }
            }
            if parts.count > 1, parts.last == "", word != words.last { parts.removeLast() }
            return parts
        }
        let quoted = split.map { "'\($0)'" }.joined(separator: " ")
        let text = """
            \(Self.script.text(for: .bash))
            COMP_WORDS=(tool \(quoted))
            COMP_CWORD=\(split.count)
            compopt() { :; }
            _tool
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let (_, said) = try #require(try Self.output("bash", ["--norc"], input: text, folder: folder))
        return said.split(separator: "\n").map(String.init)
    }

    @Test(arguments: [
        ([""], ["copy", "draw", "store", "many", "help"]), (["c"], ["copy"]), (["store", ""], ["show", "drop"]),
        (["help", "st"], ["store"]), (["help", "store", ""], ["show", "drop"]),
        (["help", ""], ["copy", "draw", "store", "many"]), (["help", "copy", "-"], []),
        (["--v"], ["--version"]), (["--generate-completion-script", ""], ["zsh", "bash", "fish"]),
        (["--generate-man-page", "store", "d"], ["drop"]),
        (["draw", "--f"], ["--format"]), (["draw", "--format", ""], ["text", "dot", "svg"]),
        (["draw", "--format", "s"], ["svg"]), (["draw", "--format=d"], ["dot"]),
        (["draw", "--format="], ["text", "dot", "svg"]), (["draw", "--format=svg", "--fo"], []),
        (["copy", "--log-level", "o"], ["one"]), (["copy", "--set", ""], []),
        (["copy", "--set", "a=b", "--set", "c=d:e", "--se"], ["--set"]),
        (["copy", "--dry-run", "--"], ["--set", "--log-level", "--output", "--help"]),
        (["copy", "-o=x", "--log-level=o"], ["one"]), (["store", "drop", "-"], ["--all", "-h", "--help"]),
        (["draw", "5", "--", "--f"], []),
    ])
    func bashOffersWhatFits(words: [String], offered: [String]) throws {
        #expect(try bash(words).sorted() == offered.sorted())
    }

    @Test func bashOffersFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("files-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent("folder"), withIntermediateDirectories: true)
        for name in ["a.yaml", "b.yml", "c.txt", "with space.yaml"] {
            try Data().write(to: folder.appendingPathComponent(name))
        }
        #expect(try bash(["copy", ""], in: folder).sorted() == ["a.yaml", "b.yml", "folder", "with space.yaml"])
        #expect(try bash(["copy", "a.yaml", "b"], in: folder) == ["b.yml"])
        #expect(try bash(["copy", "--", ""], in: folder).count == 4)
        #expect(try bash(["copy", "-o", ""], in: folder) == ["folder"])
        #expect(try bash(["store", "show", ""], in: folder).count == 5)
        #expect(try bash(["store", "show", "c.txt", ""], in: folder) == [])
        #expect(try bash(["copy", "--output=f"], in: folder) == ["folder"])
    }

    /// What fish offers for a line.
    private func fish(_ line: String) throws -> [String]? {
        let text = "\(Self.script.text(for: .fish))\ncomplete -C '\(line)'\n"
        return try Self.output("fish", ["--no-config"], input: text).map { found in
            found.text.split(separator: "\n").map { String($0.split(separator: "\t")[0]) }
        }
    }

    @Test(arguments: [
        ("tool ", ["copy", "draw", "store", "many", "help"]), ("tool store ", ["show", "drop"]),
        ("tool help store ", ["show", "drop"]), ("tool help st", ["store"]),
        ("tool draw --format ", ["text", "dot", "svg"]), ("tool draw --fo", ["--format"]),
        ("tool draw --format=d", ["--format=dot"]), ("tool copy --log-level o", ["one"]),
        ("tool draw ", []), ("tool --generate-man-page store d", ["drop"]),
    ])
    func fishOffersWhatFits(line: String, offered: [String]) throws {
        guard let found = try fish(line) else { return }
        #expect(found.sorted() == offered.sorted())
    }
}
