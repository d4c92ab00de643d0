import CHecateZlib
import Dispatch
import Glibc
import Locking
import PipelineKit
import Wire

/// A file for appending, rotated by size or age. Used by one caller at a time. Its calls block.
struct RotatingFile {
    /// When a file is rotated, and what happens to the rotated files.
    struct RotationPolicy: Sendable {
        /// Rotates before the file exceeds this size; nil for no limit.
        var size: Int?
        /// Rotates when the file is older than this; nil for no limit.
        var age: Duration?
        /// How many rotated files are kept; nil for all.
        var keep: Int?
        /// Whether rotated files are compressed.
        var compresses: Bool
    }

    private let path: String
    private let rotation: RotationPolicy?
    private var file: OpenFile
    private var size: Int
    private var startedAt: Timestamp

    /// Opens the file. A new file is accessible to its owner only.
    init(path: String, rotation: RotationPolicy?, now: Timestamp) throws {
        self.path = path
        self.rotation = rotation
        (file, size, startedAt) = try Self.open(path, now)
    }

    private static func open(_ path: String, _ now: Timestamp) throws -> (OpenFile, Int, Timestamp) {
        let file: OpenFile
        do {
            file = try OpenFile(writing: path, appending: true, mode: 0o600)
        } catch let error as SystemError {
            throw FileDescriptorIO.systemError("the file '\(path)' cannot be written", error)
        }
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { return (file, 0, now) }
        // The creation time is unknown; the last change is the best estimate.
        let startedAt = status.st_size > 0 ? Timestamp(seconds: Int64(status.st_mtim.tv_sec)) : now
        return (file, Int(status.st_size), startedAt)
    }

    /// Appends all bytes or none. Rotates the file first if due.
    mutating func append(_ bytes: [UInt8], sync: Bool, now: Timestamp) throws {
        if let rotation, size > 0 {
            let isLarge = rotation.size.map { size + bytes.count > $0 } ?? false
            let isOld = rotation.age.map { now - startedAt >= $0 } ?? false
            if isLarge || isOld { try rotate(rotation, now) }
        }
        let end = lseek(file.descriptor, 0, SEEK_END)
        do {
            try FileDescriptorIO.writeAll(bytes, to: file)
            if sync { try synchronize() }
        } catch {
            // If truncating fails, a partial line remains, which readers refuse.
            if end >= 0 { try? file.truncate(to: Int(end)) }
            throw error
        }
        size += bytes.count
    }

    private func synchronize() throws {
        do {
            try file.synchronize()
        } catch let error as SystemError {
            throw FileDescriptorIO.systemError("fsync failed", error)
        }
    }

    func close() { file.close() }

    // MARK: - Setting aside

    private mutating func rotate(_ rotation: RotationPolicy, _ now: Timestamp) throws {
        let rotated = rotatedName(now)
        guard rename(path, rotated) == 0 else { throw FileDescriptorIO.systemError("'\(path)' cannot be rotated") }
        let old = file
        (file, size, startedAt) = try Self.open(path, now)
        old.close()
        let path = path
        // The data is safe; compressing and removing old files can wait.
        DispatchQueue.global(qos: .utility).async {
            if rotation.compresses { Self.compress(rotated) }
            if let keep = rotation.keep { Self.removeOldest(keep, of: path) }
        }
    }

    /// Returns `items-20260101T000000Z.jsonl` for `items.jsonl`, with a number if that exists.
    private func rotatedName(_ now: Timestamp) -> String {
        let (stem, suffix) = Self.parts(of: path)
        let time = RFC3339.format(Timestamp(seconds: now.seconds)).filter { $0 != "-" && $0 != ":" }
        for number in 0... {
            let name = "\(stem)-\(time)\(number == 0 ? "" : "-\(number)")\(suffix)"
            if !Files.exists(name), !Files.exists(name + ".gz") { return name }
        }
        return path + ".old"
    }

    private static func parts(of path: String) -> (stem: String, suffix: String) {
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last ?? path.utf8[...]
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else { return (path, "") }
        return (String(path[..<dot]), String(path[dot..<name.endIndex]))
    }

    private static func compress(_ path: String) {
        let partial = path + ".gz.part"
        guard let input = try? OpenFile(reading: path) else { return }
        let descriptor = Glibc.open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        guard let output = gzdopen(descriptor, "wb6") else {
            Glibc.close(descriptor)
            return
        }
        var succeeded = true
        do {
            while succeeded {
                let chunk = try input.read(atMost: 256 << 10)
                if chunk.isEmpty { break }
                succeeded =
                    chunk.withUnsafeBytes { gzwrite(output, $0.baseAddress, UInt32($0.count)) } == Int32(chunk.count)
            }
        } catch {
            succeeded = false
        }
        succeeded = gzclose(output) == Z_OK && succeeded
        // Remove the original only when the compressed file is complete.
        if succeeded, rename(partial, path + ".gz") == 0 { unlink(path) } else { unlink(partial) }
    }

    private static func removeOldest(_ keep: Int, of path: String) {
        let folder = Files.parent(of: path)
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) }
        let (stem, suffix) = parts(of: name ?? path)
        // Ignore a folder that cannot be read.
        let names = (try? Files.list(folder)) ?? []
        let rotated = names.filter { name in
            let bare = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
            guard bare.hasPrefix(stem + "-"), bare.hasSuffix(suffix) else { return false }
            return isTime(bare.utf8.dropFirst(stem.utf8.count + 1).dropLast(suffix.utf8.count))
        }
        for name in rotated.sorted().dropLast(keep) { unlink("\(folder)/\(name)") }
    }

    /// Returns whether a text is `20260101T000000Z`, or `20260101T000000Z-1` with a number.
    private static func isTime(_ text: Substring.UTF8View) -> Bool {
        let pattern = "00000000T000000Z".utf8
        guard text.count >= pattern.count else { return false }
        let isTime = zip(text, pattern).allSatisfy { isDigit($1) ? isDigit($0) : $0 == $1 }
        let number = text.dropFirst(pattern.count)
        guard isTime, !number.isEmpty else { return isTime }
        return number.count > 1 && number.first == UInt8(ascii: "-") && number.dropFirst().allSatisfy(isDigit)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
