import Foundation
import Testing

@testable import HecateCommand

@Suite struct StartupPagesTests {
    @Test func onlyCodeThatNobodyChangedIsLetGo() {
        let text = """
            55e972604000-55e974281000 r-xp 00000000 08:01 1234    /usr/local/bin/hecate
            Size:              29172 kB
            Rss:               14496 kB
            Private_Dirty:     14496 kB
            Anonymous:             0 kB
            VmFlags: rd ex mr mw me
            55e974281000-55e974300000 r--p 01c7d000 08:01 1234    /usr/local/bin/hecate
            Rss:                1300 kB
            Private_Dirty:      1300 kB
            Anonymous:          1300 kB
            7f0000000000-7f0000001000 r-xp 00000000 08:01 99      /usr/lib/changed.so
            Rss:                   4 kB
            Private_Dirty:         4 kB
            Anonymous:             4 kB
            7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0       [vdso]
            Rss:                   4 kB
            7f1000000000-7f1000001000 rwxp 00000000 00:00 0
            Rss:                   4 kB
            """
        let mappings = StartupPages.mappings(text)
        #expect(mappings.count == 5)
        #expect(mappings[0].start == 0x55e9_7260_4000 && mappings[0].residentBytes == 14496 * 1024)
        #expect(mappings.map(\.isUnchangedCode) == [true, false, false, false, false])
    }

    // A sanitizer has the code of the process to itself.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["HECATE_SANITIZER"] == nil))
    func theProcessGoesOn() throws {
        func fileBytes() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("RssFile:") }
            return try #require(line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
                * 1024
        }
        let before = try fileBytes()
        let released = StartupPages.release()
        let after = try fileBytes()
        #expect(released > 0 && after < before)
        // What was let go is there again when it is needed.
        #expect((0..<1000).map { "\($0)" }.joined().count == 2890)
    }
}
