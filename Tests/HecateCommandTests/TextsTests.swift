import Foundation
import Locking
import Testing

@testable import HecateCommand

@Suite struct TextsTests {
    @Test func cellsAreFilledByCharacters() {
        #expect("ab".padded(to: 4) == "ab  ")
        #expect("äöü".padded(to: 4) == "äöü ")
        #expect("abcde".padded(to: 4) == "abcde")
    }

    @Test func lineEndsAreNoText() {
        #expect(" \t a b \r".trimmed == "a b")
        #expect("".trimmed == "" && " \r".trimmed == "")
    }

    @Test func charactersAreReplacedWhateverTheyAreCombinedWith() {
        // With a combining accent, `<` and `$` are other characters than without.
        #expect("<\u{301}a>&\"".escapedForXML == "&lt;\u{301}a&gt;&amp;&quot;")
        #expect("$\u{301}{X}".replacing(["$": "$$"]) == "$$\u{301}{X}")
    }

    @Test func pathsAreSeenFromTheRoot() {
        #expect(Files.absolute("/a/./b//../c/") == "/a/c")
        #expect(Files.absolute("/../..") == "/")
        #expect(Files.absolute("x/../y.yaml") == Files.absolute("y.yaml"))
        #expect(Files.absolute("y.yaml") == FileManager.default.currentDirectoryPath + "/y.yaml")
    }

    @Test func aFileThatIsRewrittenStaysWhatItWas() throws {
        let folder = "\(Files.temporaryDirectory)/texts-\(UUID().uuidString)"
        try Files.makeDirectory(folder)
        defer { try? Files.removeAll(folder) }
        try Files.write(Array("old".utf8), to: "\(folder)/file")
        chmod("\(folder)/file", 0o666)
        symlink("file", "\(folder)/link")
        try Files.rewrite("\(folder)/link", "new")
        var status = stat()
        #expect(lstat("\(folder)/link", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(stat("\(folder)/file", &status) == 0 && status.st_mode & 0o7777 == 0o666)
        #expect(try Files.text("\(folder)/file") == "new")
        #expect(try Files.list(folder) == ["file", "link"])
    }

    @Test func bytesThatAreNoTextAreSaidToBeSo() throws {
        let path = "\(Files.temporaryDirectory)/bytes-\(UUID().uuidString)"
        try Files.write([0x61, 0xff], to: path)
        defer { try? Files.remove(path) }
        #expect(throws: SystemError(code: EILSEQ, path: path)) { try Files.text(path) }
    }
}
