import Foundation
import Glibc
import Locking
import TestSupport
import Testing

@Suite struct FilesTests {
    private let folder: FileFolder
    private var path: String { "\(folder.path)/file" }

    init() throws { folder = try FileFolder() }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        stat(path, &status)
        return status.st_mode & 0o777
    }

    @Test func whatIsWrittenIsReadBack() throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
        try Files.write(bytes, to: path, mode: 0o600)
        #expect(try Files.read(path) == bytes)
        #expect(try Files.size(path) == 200_000 && mode(path) == 0o600)
        try Files.write([1], to: path)
        #expect(try Files.read(path) == [1], "what was in it is gone")
        try Files.write([], to: path)
        #expect(try Files.read(path) == [])
    }

    @Test func aFileThatIsTooLargeIsAnError() throws {
        try Files.write([1, 2, 3], to: path)
        #expect(try Files.read(path, atMost: 3) == [1, 2, 3])
        #expect(throws: SystemError(code: EFBIG, path: path)) { try Files.read(path, atMost: 2) }
    }

    @Test func filesOfTheKernelHaveNoSizeAndAreReadAllTheSame() throws {
        #expect(try Files.size("/proc/self/status") == 0)
        #expect(try String(decoding: Files.read("/proc/self/status"), as: UTF8.self).contains("VmRSS"))
    }

    @Test func anErrorNamesThePathAndTheReason() throws {
        let missing = "\(folder.path)/none"
        let error = #expect(throws: SystemError.self) { try Files.read(missing) }
        #expect(error?.description == "\(missing): No such file or directory")
        #expect(throws: SystemError(code: EISDIR, path: folder.path)) { try Files.read(folder.path) }
        #expect(throws: SystemError(code: ENOENT, path: missing)) { try Files.remove(missing) }
        #expect(throws: SystemError(code: ENOENT, path: missing)) { try Files.list(missing) }
        #expect(throws: SystemError(code: ENOENT, path: "\(missing)/x")) { try Files.write([], to: "\(missing)/x") }
        #expect(throws: SystemError(code: ENOENT, path: "\(missing)/x")) { try Files.replace("\(missing)/x", with: []) }
        try Files.removeIfPresent(missing)
    }

    @Test func aReplacedFileHasAllOfTheNewAndLeavesNothingBeside() throws {
        try Files.write([1], to: path)
        let before = try OpenFile(reading: path)
        try Files.replace(path, with: [2, 3], mode: 0o640)
        #expect(try Files.read(path) == [2, 3] && mode(path) == 0o640)
        #expect(try before.readToEnd() == [1], "who had it open still sees the old one")
        #expect(try Files.list(folder.path) == ["file"])
        try Files.makeDirectory("\(folder.path)/d")
        try Files.write([], to: "\(folder.path)/d/x")
        #expect(throws: SystemError.self) { try Files.replace("\(folder.path)/d", with: [1]) }
        #expect(try Files.list(folder.path) == ["d", "file"])
    }

    @Test func directoriesAreMadeListedAndRemoved() throws {
        let deep = "\(folder.path)/a/b/c/"
        #expect(throws: SystemError(code: ENOENT, path: deep)) { try Files.makeDirectory(deep) }
        try Files.makeDirectory(deep, intermediate: true)
        try Files.makeDirectory(deep, intermediate: true)
        #expect(throws: SystemError(code: EEXIST, path: deep)) { try Files.makeDirectory(deep) }
        #expect(Files.isDirectory(deep) && Files.exists(deep) && !Files.isExecutable(deep))
        for name in ["z", "ä", "B", ".hidden"] { try Files.write([], to: "\(folder.path)/a/\(name)") }
        #expect(try Files.list("\(folder.path)/a") == [".hidden", "B", "b", "z", "ä"])
        #expect(throws: SystemError(code: ENOTEMPTY, path: "\(folder.path)/a")) { try Files.remove("\(folder.path)/a") }
        symlink(folder.path, "\(folder.path)/a/up")
        try Files.write([], to: path)
        try Files.removeAll("\(folder.path)/a")
        #expect(try Files.list(folder.path) == ["file"], "a link is removed, not followed")
        #expect(throws: SystemError(code: EEXIST, path: path)) { try Files.makeDirectory(path, intermediate: true) }
    }

    @Test func aFileIsMovedOverAnother() throws {
        try Files.write([1], to: path)
        try Files.write([2], to: "\(path)2")
        try Files.move(path, to: "\(path)2")
        #expect(try Files.read("\(path)2") == [1] && !Files.exists(path))
    }

    @Test(arguments: [
        ("a", "."), ("a/b", "a"), ("a//b/", "a"), ("/", "/"), ("/a", "/"), ("//a", "/"), ("/a/b/", "/a"), ("", "."),
    ])
    func theParentOfAPath(path: String, parent: String) { #expect(Files.parent(of: path) == parent) }

    @Test func theEnvironment() {
        #expect(environmentVariables == ProcessInfo.processInfo.environment)
        #expect(environment("PATH") == environmentVariables["PATH"])
        #expect(environment("HECATE_NO_SUCH_VARIABLE") == nil)
    }
}

@Suite struct OpenFileTests {
    @Test func appendingGoesToTheEnd() throws {
        let folder = try FileFolder()
        let path = "\(folder.path)/log"
        let first = try OpenFile(writing: path, appending: true)
        let second = try OpenFile(updating: path)
        try first.write([1, 2])
        try second.write(ArraySlice([0, 3, 4]).dropFirst())
        try first.write("5".utf8)
        try first.synchronize()
        #expect(try first.size == 5)
        let all = try OpenFile(updating: path).readToEnd()
        #expect(all == [1, 2, 3, 4, UInt8(ascii: "5")])
        try second.truncate(to: 1)
        #expect(try Files.read(path) == [1])
    }

    @Test func aClosedFileSaysSo() throws {
        let file = try OpenFile(reading: "/dev/null")
        #expect(try file.read(atMost: 10) == [])
        file.close()
        file.close()
        #expect(file.descriptor == -1)
        #expect(throws: SystemError(code: EBADF, path: "/dev/null")) { try file.read(atMost: 1) }
    }

    /// A pipe holds 64 KiB, and its ends do not block: what does not fit waits, in both directions.
    @Test func aPipeThatDoesNotBlockIsWaitedFor() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        let (reading, writing) = (OpenFile(descriptor: ends[0]), OpenFile(descriptor: ends[1]))
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 >> 3) }
        let thread = Thread {
            try? writing.write(bytes)
            writing.close()
        }
        thread.start()
        let read = try reading.readToEnd()
        #expect(read == bytes)
    }
}
