import Foundation
import Testing

@testable import Arguments

@Suite struct ManPageTests {
    private func page(_ words: String...) throws -> String {
        let root = CommandSpec(Tool.self)
        return ManPage(try #require(root.descendant(words)), of: root, date: "2026-01-31").text
    }

    @Test func ofACommand() throws {
        #expect(
            try page("copy") == #"""
                .TH "TOOL-COPY" "1" "2026-01-31" "tool 1.2.3" "User Commands"
                .SH NAME
                tool\-copy \- Copy files, one after the other, to where they are wanted by
                those who want them
                .SH SYNOPSIS
                \fBtool copy\fR
                \fIfile\fR ...\&
                [\fB\-\-log\-level\fR \fIlog\-level\fR]
                [\fB\-\-output\fR \fIoutput\fR]
                [\fB\-\-set\fR \fIpath=value\fR ...\&]
                [\fB\-\-dry\-run\fR]
                .SH DESCRIPTION
                Copy files, one after the other, to where they are wanted by those who want
                them.
                .PP
                A paragraph of two lines.
                .PP
                .nf
                  an example with \-\- and \(aqquotes\(aq
                .fi
                .PP
                \&.begins with a point \e and has a backslash
                .SH ARGUMENTS
                .TP
                \fIfile\fR
                The files.
                .SH OPTIONS
                .TP
                \fB\-\-log\-level\fR \fIlog\-level\fR
                How much is said. (values: low, high, one, two, three, four; default: low)
                .TP
                \fB\-o\fR, \fB\-\-output\fR \fIoutput\fR
                Where to.
                .TP
                \fB\-\-set\fR \fIpath=value\fR
                Sets something.
                .TP
                \fB\-\-dry\-run\fR
                Only say it.
                .TP
                \fB\-h\fR, \fB\-\-help\fR
                Show help information.
                .SH "EXIT STATUS"
                .TP
                \fB0\fR
                All went well.
                .TP
                \fB1\fR
                It did not.
                .TP
                \fB2\fR
                The arguments or a file are not as they have to be.
                .SH "SEE ALSO"
                .BR tool (1)

                """#)
    }

    @Test func theProgramHasAllOnOnePage() throws {
        let page = try page()
        for name in ["tool copy", "tool draw", "tool store", "tool store show", "tool store drop", "tool many"] {
            #expect(page.contains("\n.SS \"\(name)\"\n"))
        }
        #expect(page.contains(#"\fB\-\-generate\-man\-page\fR"#))
    }

    @Test(arguments: [["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-ww", "-z"]])
    func theReadersOfManualsTakeIt(reader: [String]) throws {
        let path = "/usr/bin/\(reader[0])"
        // Where a reader is not installed it says nothing.
        guard FileManager.default.isExecutableFile(atPath: path) else { return }
        for words in [[], ["copy"], ["store"], ["store", "show"], ["many"]] {
            let root = CommandSpec(Tool.self)
            let text = ManPage(try #require(root.descendant(words)), of: root, date: "2026-01-31").text
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("man-\(UUID().uuidString).1")
            try text.write(to: file, atomically: true, encoding: .utf8)
            defer { try? FileManager.default.removeItem(at: file) }
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments = reader.dropFirst() + [file.path]
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0 && said == "", "\(words): \(said)")
        }
    }
}
